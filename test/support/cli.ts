import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const startTimeoutMs = 60_000

/** The product's command line in a process of its own. */
export interface CliProcess {
  /** All it has written so far. */
  output(): string
  /** Waits for output that matches, and answers the match. @throws {Error} with the output, if the process ends first, or in a minute. */
  waitFor(pattern: RegExp): Promise<RegExpMatchArray>
  hasEnded(): boolean
  /** Waits for the end, and answers the exit code; null if a signal killed it. */
  ended(): Promise<number | null>
  /** Sends a signal, waits for the end, and answers the exit code; null if the signal killed it. */
  stop(signal?: NodeJS.Signals): Promise<number | null>
}

export function startCli(
  args: readonly string[],
  options: { env?: Record<string, string>; cwd?: string } = {},
): CliProcess {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
      child.emit('output')
    })
  }
  const exited = once(child, 'close')
  const ended = async (): Promise<number | null> => {
    await exited
    return child.exitCode
  }
  return {
    output: () => output,
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    waitFor: (pattern) => waitFor(child, () => output, pattern),
    ended,
    stop: (signal = 'SIGINT') => {
      child.kill(signal)
      return ended()
    },
  }
}

function waitFor(child: ChildProcess, output: () => string, pattern: RegExp): Promise<RegExpMatchArray> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      clearTimeout(timer)
      child.off('output', look).off('exit', ended)
      settle()
    }
    const look = (): void => {
      const match = output().match(pattern)
      if (match) finish(() => resolve(match))
    }
    const ended = (): void => finish(() => reject(new Error(`ended before ${pattern}:\n${output()}`)))
    const timer = setTimeout(
      () => finish(() => reject(new Error(`no ${pattern} in time:\n${output()}`))),
      startTimeoutMs,
    )
    child.on('output', look).on('exit', ended)
    look()
    if (child.exitCode !== null) ended()
  })
}

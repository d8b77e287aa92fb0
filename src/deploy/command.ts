import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** A program of others did not do what it was asked to; the message has what it said. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

export interface CommandOptions {
  readonly signal?: AbortSignal
  readonly onLine?: (line: string) => void
}

/** Runs a program, such as `kubectl`; answers what it printed. @throws {CommandError} */
export type RunCommand = (
  program: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<string>

const keptChars = 16_384

export const runCommand: RunCommand = (program, args, { signal, onLine } = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal && { signal }) })
    let stdout = ''
    let stderr = ''
    createInterface({ input: child.stdout }).on('line', (line) => {
      onLine?.(line)
      if (!onLine) stdout += `${line}\n`
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-keptChars)
    })
    child.on('error', (error) =>
      signal?.aborted
        ? resolve(stdout)
        : reject(new CommandError(`${program} can't be run (${error.message})`, { cause: error })),
    )
    child.on('close', (code) => {
      if (code === 0 || signal?.aborted) resolve(stdout)
      else reject(new CommandError(`${program} ${args.join(' ')} failed:\n${stderr.trim()}`))
    })
  })

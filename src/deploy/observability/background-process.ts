import { execFile, spawn } from 'node:child_process'
import { open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'

/** A program that goes on when the command that started it has ended. */
export interface BackgroundProgram {
  /** Names its files: `NAME.pid` and `NAME.log`. */
  readonly name: string
  readonly directory: string
  readonly command: string
  /** One of them has to name a file of `directory`: by it the process is known again. */
  readonly args: readonly string[]
  /** Answers 200 when the program is up. */
  readonly readyUrl: string
}

type Files = Pick<BackgroundProgram, 'name' | 'directory'>

/** The program ended before it was up, or wasn't up in time; the message ends with the last lines of its log. */
export class StartError extends Error {
  override readonly name = 'StartError'
}

const startTimeoutMs = 30_000
const stopTimeoutMs = 20_000
const pollMs = 50
const logLinesShown = 5

/** Starts a program, and waits until it is up. @throws {StartError} */
export async function startInBackground(program: BackgroundProgram): Promise<void> {
  const { directory, command, args } = program
  const log = await open(logFile(program), 'w', 0o600)
  try {
    const child = spawn(command, args, { cwd: directory, detached: true, stdio: ['ignore', log.fd, log.fd] })
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject))
    child.unref()
    await writeFile(pidFile(program), String(child.pid), { mode: 0o600 })
  } finally {
    await log.close()
  }
  const deadlineMs = performance.now() + startTimeoutMs
  while (!(await answers(program.readyUrl))) {
    const isLate = performance.now() > deadlineMs
    if (isLate || (await runningPid(program)) === undefined) {
      await stopInBackground(program)
      const problem = isLate ? `was not up within ${startTimeoutMs / 1000} s` : 'ended'
      throw new StartError(`${program.name} ${problem}:\n${await lastLines(logFile(program))}`)
    }
    await setTimeout(pollMs)
  }
}

/** The process of a program that was started, if it still runs. Another one that has got its number meanwhile is not it. */
export async function runningPid(program: Files): Promise<number | undefined> {
  const pid = Number(await readFile(pidFile(program), 'utf8').catch(() => ''))
  if (!(pid > 0)) return undefined
  return (await commandLine(pid)).includes(program.directory) ? pid : undefined
}

/** Ends a program, by force if it takes longer than 20 s; answers whether it ran. */
export async function stopInBackground(program: Files): Promise<boolean> {
  const pid = await runningPid(program)
  if (pid !== undefined) process.kill(pid, 'SIGTERM')
  const deadlineMs = performance.now() + stopTimeoutMs
  while ((await runningPid(program)) !== undefined) {
    if (performance.now() > deadlineMs) process.kill(pid!, 'SIGKILL')
    await setTimeout(pollMs)
  }
  await rm(pidFile(program), { force: true })
  return pid !== undefined
}

function pidFile({ name, directory }: Files): string {
  return join(directory, `${name}.pid`)
}

function logFile({ name, directory }: Files): string {
  return join(directory, `${name}.log`)
}

/** Empty if there is no such process, or it has ended. */
async function commandLine(pid: number): Promise<string> {
  if (process.platform === 'linux') return readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const ps = promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)])
  return ps.then(({ stdout }) => stdout).catch(() => '')
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) })
    await response.body?.cancel()
    return response.status === 200
  } catch {
    return false
  }
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.trimEnd().split('\n').slice(-logLinesShown).join('\n')
}

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Addresses } from '../addresses.ts'
import { inheritedEnvironment } from './edge-process.ts'

export interface ServerSpec {
  /** Names it to people. */
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  readonly logFile: string
  /** Asks whether it can be used; throws or answers false as long as it can't. */
  readonly isReady: () => Promise<boolean>
  readonly stopSignal: NodeJS.Signals
  readonly onEvent: (text: string) => void
  /** It runs again, as another process. */
  readonly onRestart: () => void
}

export interface ServerOptions extends Pick<ServerSpec, 'onEvent' | 'onRestart'> {
  readonly addresses: Addresses
}

/** A server that the edges need did not start. */
export class ServerFailedError extends Error {
  override readonly name = 'ServerFailedError'
}

const readyTimeoutMs = 60_000
const readyPauseMs = 50
/** What an earlier life left behind, such as PostgreSQL's lock while the process that was killed is not reaped, is gone soon. */
const startAttemptsMax = 5
const startPauseMs = 1000
/** How long one may take to end before it is killed. */
export const serverStopTimeoutMs = 20_000
const backoffMsFirst = 250
const backoffMsMax = 10_000
const tailChars = 2000

/** A server of others, such as NATS, that is started again when it ends. */
export class ServerProcess {
  readonly spec: ServerSpec
  #child: ChildProcess | undefined
  #isStopping = false
  #restarts = 0

  private constructor(spec: ServerSpec) {
    this.spec = spec
  }

  /** Resolves when it can be used. @throws {ServerFailedError} */
  static async start(spec: ServerSpec): Promise<ServerProcess> {
    const server = new ServerProcess(spec)
    server.#spawn()
    const startedMs = performance.now()
    let attempts = 1
    while (!(await spec.isReady().catch(() => false))) {
      if (server.hasEnded && attempts < startAttemptsMax) {
        attempts++
        await sleep(startPauseMs)
        server.#spawn()
        continue
      }
      const isLate = performance.now() - startedMs > readyTimeoutMs
      if (server.hasEnded || isLate) {
        await server.stop()
        const what = isLate ? `is not ready after ${readyTimeoutMs} ms` : 'ended'
        const tail = readFileSync(spec.logFile, 'utf8').slice(-tailChars)
        throw new ServerFailedError(`${spec.name} ${what}; its last words:\n${tail.trimEnd()}`)
      }
      await sleep(readyPauseMs)
    }
    server.#keepRunning(backoffMsFirst)
    return server
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  get restarts(): number {
    return this.#restarts
  }

  get hasEnded(): boolean {
    const child = this.#child
    return !child || child.pid === undefined || child.exitCode !== null || child.signalCode !== null
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    if (this.hasEnded) return
    const child = this.#child!
    const ended = once(child, 'exit')
    child.kill(this.spec.stopSignal)
    const timer = setTimeout(() => child.kill('SIGKILL'), serverStopTimeoutMs)
    await ended
    clearTimeout(timer)
  }

  #spawn(): void {
    const { program, args, logFile } = this.spec
    // A file, not a pipe: what it says is kept even if this process is gone.
    const log = openSync(logFile, 'a', 0o600)
    this.#child = spawn(program, args, { env: inheritedEnvironment(), stdio: ['ignore', log, log] })
    this.#child.on('error', (error) => this.spec.onEvent(`${this.spec.name}: ${error.message}`))
    closeSync(log)
  }

  #keepRunning(waitMs: number): void {
    const sinceMs = performance.now()
    this.#child?.once('exit', () => {
      if (this.#isStopping) return
      this.#restarts++
      this.spec.onEvent(`${this.spec.name} ended by itself, and is started again`)
      const wasStable = performance.now() - sinceMs > backoffMsMax
      const nextMs = wasStable ? backoffMsFirst : Math.min(waitMs * 2, backoffMsMax)
      setTimeout(() => {
        if (this.#isStopping) return
        this.#spawn()
        this.spec.onRestart()
        this.#keepRunning(nextMs)
      }, waitMs)
    })
  }
}

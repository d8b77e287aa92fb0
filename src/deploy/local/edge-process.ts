import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { probeReady } from '../probe.ts'
import type { FromEdge, ToEdge } from './edge-messages.ts'
import type { ConnectionTaker } from './front.ts'
import { LogFile } from './log-file.ts'

export interface EdgeSpec {
  readonly region: string
  readonly ordinal: number
  readonly configFile: string
  readonly env: Readonly<Record<string, string>>
  readonly heapMiB: number
  readonly logFile: string
  /** How long it may take to become ready. */
  readonly readyTimeoutMs: number
  /** How long it may take to end before it is killed. */
  readonly stopTimeoutMs: number
}

/** How this package's own command line is started: a program, and its first arguments. */
export type EdgeCommand = readonly [program: string, ...args: string[]]

/** An edge ended or stayed unready when it had to become ready. */
export class EdgeFailedError extends Error {
  override readonly name = 'EdgeFailedError'
}

const probePauseMs = 50
/** How long an edge that is ready may take to hear the others: until then it would count what is owed as unspent. */
const contactWaitMs = 5000
/** The caller's environment is no part of a release; of it only what programs need. */
const inherited = [
  'PATH',
  'HOME',
  'LANG',
  'TZ',
  'TMPDIR',
  'NODE_COMPILE_CACHE',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
]

/** An edge in a process of its own, which this process feeds with connections. */
export class EdgeProcess implements ConnectionTaker {
  readonly replica: string
  readonly spec: EdgeSpec
  readonly startedAt = new Date()
  readonly #child: ChildProcess
  readonly #log: LogFile
  /** Connections that are under way to the process, by number; each is told whether it has arrived. */
  readonly #sent = new Map<number, (isTaken: boolean) => void>()
  #url: string | undefined
  #isStopping = false
  #connections = 0

  constructor(command: EdgeCommand, spec: EdgeSpec) {
    const { region, ordinal } = spec
    this.replica = `${region}/${ordinal}`
    this.spec = spec
    this.#log = new LogFile(spec.logFile)
    const [program, ...args] = command
    const serve = ['serve', '--config', spec.configFile, '--region', region, '--ordinal', String(ordinal)]
    this.#child = spawn(program, [`--max-old-space-size=${spec.heapMiB}`, ...args, ...serve], {
      env: { ...inheritedEnvironment(), ...spec.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#log.follow(this.#child.stdout, this.#child.stderr)
    this.#child.on('message', (message: FromEdge) => {
      if (message.type === 'listening') this.#url = message.url
      else this.#sent.get(message.id)?.(true)
    })
    this.#child.on('error', (error) => this.#log.append(`${error.message}\n`))
    this.#child.once('exit', () => {
      for (const arrived of this.#sent.values()) arrived(false)
    })
    this.#child.once('close', () => this.#log.close())
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null || this.pid === 0
  }

  /** Calls back if it ends without having been told to. */
  onCrash(callback: () => void): void {
    this.#child.once('exit', () => {
      if (!this.#isStopping) callback()
    })
  }

  /** Resolves when the edge is ready, and in contact with the others if they answer. @throws {EdgeFailedError} */
  async ready(): Promise<void> {
    const startedMs = performance.now()
    let readyMs: number | undefined
    let last = 'it did not listen'
    while (!this.hasEnded) {
      const waitedMs = performance.now() - startedMs
      if (waitedMs > this.spec.readyTimeoutMs) {
        await this.stop()
        throw new EdgeFailedError(
          `${this.replica} was not ready within ${this.spec.readyTimeoutMs} ms (${last})`,
        )
      }
      if (this.#url !== undefined) {
        const answer = await probeReady(this.#url)
        if (answer.isReady) readyMs ??= waitedMs
        const isInContact = answer.heard === answer.known
        if (answer.isReady && (isInContact || waitedMs - (readyMs ?? 0) > contactWaitMs)) return
        last = answer.reason
      }
      await sleep(probePauseMs)
    }
    throw new EdgeFailedError(
      `${this.replica} ended before it was ready (${this.#exit()}); its last words:\n${this.#log.tail.trimEnd()}`,
    )
  }

  /** The socket stays this process's until the edge says that it has it: what is on the way when an edge is killed is lost otherwise. */
  async take(socket: Socket): Promise<boolean> {
    if (this.hasEnded) return false
    const id = this.#connections++
    const arrived = Promise.withResolvers<boolean>()
    this.#sent.set(id, arrived.resolve)
    this.#send({ type: 'connection', id }, () => arrived.resolve(false), socket)
    const isTaken = await arrived.promise
    this.#sent.delete(id)
    // The edge has its own hold of it.
    if (isTaken) socket.destroy()
    return isTaken
  }

  /** Lets it finish what is under way; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true
    if (this.hasEnded) return
    const ended = once(this.#child, 'exit')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), this.spec.stopTimeoutMs)
    this.#send({ type: 'stop' }, () => this.#child.kill('SIGTERM'))
    await ended
    clearTimeout(timer)
  }

  /** `onFailure` isn't called for what still waits to be sent when the process ends. */
  #send(message: ToEdge, onFailure: () => void, socket?: Socket): void {
    if (!this.#child.connected) return onFailure()
    this.#child.send(message, socket, { keepOpen: true }, (error) => {
      if (error) onFailure()
    })
  }

  #exit(): string {
    const { exitCode, signalCode } = this.#child
    return signalCode === null ? `exit code ${exitCode}` : signalCode
  }
}

export function inheritedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    inherited.flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

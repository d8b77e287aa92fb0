import { setTimeout as sleep } from 'node:timers/promises'

/** An edge process as far as rolling is concerned. */
export interface RollingEdge {
  readonly replica: string
  readonly pid: number
  readonly hasEnded: boolean
  onCrash(callback: () => void): void
  ready(): Promise<void>
  stop(): Promise<void>
}

/** Starts a process for an ordinal of the region by what is deployed at the time. */
export type StartEdge<E> = (ordinal: number) => E

export interface RegionEdgesOptions<E> {
  readonly front: { serveBy(edge: E | undefined): void }
  readonly onEvent: (text: string) => void
}

/** The node that serves, and the one that stands in for it while it is replaced. */
const mainOrdinal = 0
const standInOrdinal = 1
const backoffMsFirst = 250
const backoffMsMax = 10_000

/**
 * The edges of a region: one, and a second while the first is replaced, so that somebody always serves. The first keeps its name
 * through every release: what a strict limit lends and what snapshots hold belongs to it.
 */
export class RegionEdges<E extends RollingEdge> {
  readonly #options: RegionEdgesOptions<E>
  /** By what was rolled last with success. */
  #start: StartEdge<E> | undefined
  #main: E | undefined
  #standIn: E | undefined
  #work: Promise<void> = Promise.resolve()
  #isClosed = false
  #restarts = 0
  readonly #starting = new Set<E>()
  readonly #ending = new Set<Promise<void>>()

  constructor(options: RegionEdgesOptions<E>) {
    this.#options = options
  }

  get main(): E | undefined {
    return this.#main
  }

  /** How often the edge ended without having been told to, since this process started. */
  get restarts(): number {
    return this.#restarts
  }

  /**
   * Replaces what runs by what `start` starts. If that doesn't become ready, what ran before serves on.
   * @throws {EdgeFailedError}
   */
  roll(start: StartEdge<E>): Promise<void> {
    return this.#inTurn(() => this.#roll(start))
  }

  /** Lets all end, and starts none anymore. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#options.front.serveBy(undefined)
    await Promise.all([...this.#starting].map((edge) => edge.stop()))
    await this.#inTurn(async () => {
      this.#end(this.#main)
      this.#end(this.#standIn)
      await Promise.all(this.#ending)
    })
  }

  async #roll(start: StartEdge<E>): Promise<void> {
    if (this.#main) await this.#standInBy(start)
    const before = this.#main
    this.#main = undefined
    await before?.stop()
    try {
      await this.#startMain(start)
      this.#start = start
    } catch (error) {
      // What ran before starts again, and the stand-in serves until then.
      if (before) void this.#inTurn(() => this.#recover())
      throw error
    }
    this.#retireStandIn()
  }

  async #startMain(start: StartEdge<E>): Promise<void> {
    this.#main = await this.#started(start, mainOrdinal)
    this.#serve(this.#main)
  }

  async #standInBy(start: StartEdge<E>): Promise<void> {
    this.#standIn = await this.#started(start, standInOrdinal)
    this.#serve(this.#standIn)
  }

  async #started(start: StartEdge<E>, ordinal: number): Promise<E> {
    const edge = start(ordinal)
    this.#starting.add(edge)
    try {
      this.#options.onEvent(`${edge.replica} starts (process ${edge.pid})`)
      await edge.ready()
    } finally {
      this.#starting.delete(edge)
    }
    this.#options.onEvent(`${edge.replica} is ready`)
    return edge
  }

  #serve(edge: E): void {
    this.#options.front.serveBy(edge)
    edge.onCrash(() => this.#crashed(edge))
    if (edge.hasEnded) this.#crashed(edge)
  }

  #retireStandIn(): void {
    this.#end(this.#standIn)
    this.#standIn = undefined
  }

  #end(edge: E | undefined): void {
    if (!edge) return
    const ended = edge.stop().finally(() => this.#ending.delete(ended))
    this.#ending.add(ended)
  }

  #crashed(edge: E): void {
    if (this.#isClosed) return
    this.#restarts++
    this.#options.onEvent(`${edge.replica} ended by itself`)
    if (edge === this.#standIn) this.#standIn = undefined
    if (edge === this.#main) this.#main = undefined
    this.#options.front.serveBy(this.#main ?? this.#standIn)
    void this.#inTurn(() => this.#recover())
  }

  /**
   * Brings the first edge back. Its name is its own again only when its lease has ended, ten seconds after a kill, so another stands in.
   * Waits longer after every attempt, without end.
   */
  async #recover(): Promise<void> {
    const start = this.#start
    if (!start) return
    for (let waitMs = backoffMsFirst; !this.#main && !this.#isClosed; waitMs *= 2) {
      const attempts = await Promise.allSettled([
        this.#standIn ? undefined : this.#standInBy(start),
        this.#startMain(start),
      ])
      for (const attempt of attempts) {
        if (attempt.status === 'rejected') this.#options.onEvent(String(attempt.reason))
      }
      if (!this.#main) await sleep(Math.min(waitMs, backoffMsMax))
    }
    if (this.#main) this.#retireStandIn()
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => {})
    return done
  }
}

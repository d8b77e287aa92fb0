import type { Meter } from './meter.ts'
import type { Step } from './operations.ts'
import type { Schedule } from './schedule.ts'

export interface OpenLoopOptions {
  readonly schedule: Schedule
  readonly meter: Meter
  /** Operations under way at most. */
  readonly inFlightMax: number
  /** Does an operation; never rejects. */
  readonly run: () => Promise<readonly Step[]>
  /** From the start of the run. */
  readonly nowMs: () => number
}

/**
 * Sends operations when they are due, whether or not earlier ones were answered. What finds no room waits, and its latency counts
 * from the time it was due: a slow server can't slow the clock by which it is measured (no coordinated omission).
 */
export class OpenLoop {
  readonly #options: OpenLoopOptions
  readonly #idle = Promise.withResolvers<void>()
  #inFlight = 0
  #stopped = false
  #timer: NodeJS.Timeout | undefined
  #wakeMs = Number.POSITIVE_INFINITY

  constructor(options: OpenLoopOptions) {
    this.#options = options
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** Resolves when all is over: none is due any more, and none is under way. */
  get idle(): Promise<void> {
    return this.#idle.promise
  }

  /** Begins to send. */
  start(): void {
    this.#sendDue()
  }

  /** Sends no more; what was due before and not sent is counted. */
  stop(endMs: number): void {
    if (this.#stopped) return
    this.#stopped = true
    clearTimeout(this.#timer)
    const { schedule, meter } = this.#options
    meter.end(endMs)
    for (; schedule.dueMs < endMs; schedule.advance()) meter.skip(schedule.dueMs)
    this.#settle()
  }

  #sendDue(): void {
    if (this.#stopped) return
    const { schedule, inFlightMax, nowMs } = this.#options
    const now = nowMs()
    while (schedule.dueMs <= now && schedule.dueMs < schedule.endMs && this.#inFlight < inFlightMax) {
      void this.#send(schedule.dueMs, now)
      schedule.advance()
    }
    // Only after that: a timer that is late must not leave out what was due at the end.
    if (now >= schedule.endMs) {
      this.stop(schedule.endMs)
      return
    }
    // What finds no room is sent when there is an answer.
    this.#wakeAt(schedule.dueMs > now ? Math.min(schedule.dueMs, schedule.endMs) : schedule.endMs, now)
  }

  #wakeAt(dueMs: number, now: number): void {
    if (dueMs >= this.#wakeMs) return
    clearTimeout(this.#timer)
    this.#wakeMs = dueMs
    this.#timer = setTimeout(() => {
      this.#wakeMs = Number.POSITIVE_INFINITY
      this.#sendDue()
    }, dueMs - now)
  }

  async #send(dueMs: number, sentMs: number): Promise<void> {
    const { run, meter, nowMs } = this.#options
    this.#inFlight++
    const steps = await run()
    this.#inFlight--
    meter.record({ dueMs, sentMs, endMs: nowMs(), steps })
    this.#sendDue()
    this.#settle()
  }

  #settle(): void {
    if (this.#stopped && this.#inFlight === 0) this.#idle.resolve()
  }
}

export interface ScheduleOptions {
  readonly ratePerSec: number
  /** The rate grows evenly from 0 for so long, and then stays for `durationMs`. */
  readonly rampMs: number
  readonly durationMs: number
  /** `even`: the same time between any two. `poisson`: independent of each other, as of many users. */
  readonly arrivals: 'even' | 'poisson'
  readonly random: () => number
}

/** When operations are due, in milliseconds from the start: known in advance, whatever becomes of earlier ones. */
export class Schedule {
  readonly endMs: number
  readonly #options: ScheduleOptions
  /** How many operations come before the next one on average: time, counted in operations. */
  #before: number
  #dueMs = 0

  constructor(options: ScheduleOptions) {
    this.#options = options
    this.endMs = options.rampMs + options.durationMs
    // Even arrivals in several regions don't fall on the same instants.
    this.#before = options.arrivals === 'even' ? options.random() : this.#gap()
    this.#dueMs = this.#timeOf(this.#before)
  }

  /** When the next one is due; `Infinity` when there is none. */
  get dueMs(): number {
    return this.#dueMs < this.endMs ? this.#dueMs : Number.POSITIVE_INFINITY
  }

  advance(): void {
    this.#before += this.#gap()
    this.#dueMs = this.#timeOf(this.#before)
  }

  #gap(): number {
    return this.#options.arrivals === 'even' ? 1 : -Math.log(1 - this.#options.random())
  }

  #timeOf(before: number): number {
    const { ratePerSec, rampMs } = this.#options
    const perMs = ratePerSec / 1000
    const inRamp = (perMs * rampMs) / 2
    return before < inRamp ? Math.sqrt((2 * before * rampMs) / perMs) : rampMs + (before - inRamp) / perMs
  }
}

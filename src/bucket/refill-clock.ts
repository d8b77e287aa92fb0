/**
 * Counts the tokens that a full rate would have refilled since the start: the integral of the refill rate over time.
 *
 * A bucket that remembers the reading at which it is full again needs neither a timestamp nor a correction when the rate
 * changes (a region lost or found, a limit reloaded): what was refilled before the change was counted at the old rate.
 */
export class RefillClock {
  #tokens = 0
  #atMs: number
  #perMs: number

  constructor(options: { perSec: number; nowMs: number }) {
    this.#perMs = options.perSec / 1000
    this.#atMs = options.nowMs
  }

  get perSec(): number {
    return this.#perMs * 1000
  }

  /** The reading now, in tokens. A `nowMs` before the last change of rate counts as that moment. */
  read(nowMs: number): number {
    const elapsedMs = nowMs - this.#atMs
    return elapsedMs > 0 ? this.#tokens + elapsedMs * this.#perMs : this.#tokens
  }

  /** Counts tokens that were held back when they should have been refilled. */
  advance(tokens: number): void {
    this.#tokens += tokens
  }

  setRate(perSec: number, nowMs: number): void {
    this.#tokens = this.read(nowMs)
    this.#atMs = Math.max(nowMs, this.#atMs)
    this.#perMs = perSec / 1000
  }
}

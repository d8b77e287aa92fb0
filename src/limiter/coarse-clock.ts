/** Reads that may be answered from memory before the clock is read again. */
const readsMax = 64

/**
 * Monotonic time that is cheap to read: a real reading costs as much as a whole decision, so one serves up to 64 reads, and
 * `refresh`, called by a timer every few milliseconds, bounds how old it gets. It is never ahead of the real clock, so buckets
 * refill at most that much late, and never early.
 */
export class CoarseClock {
  readonly #readMs: () => number
  #ms: number
  #reads = 0

  /** `readMs` reads a monotonic clock, such as `performance.now`. */
  constructor(readMs: () => number) {
    this.#readMs = readMs
    this.#ms = readMs()
  }

  nowMs(): number {
    if (++this.#reads >= readsMax) this.refresh()
    return this.#ms
  }

  /** Read now: for what must not be decided by an old reading, however long the process was stopped since. */
  exactMs(): number {
    this.refresh()
    return this.#ms
  }

  refresh(): void {
    this.#reads = 0
    this.#ms = this.#readMs()
  }
}

export interface BatchBounds {
  /** Writes in a batch at most. */
  readonly batchMax: number
  /** How long a write waits for company at most, while another batch is under way. */
  readonly maxDelayMs: number
  /** Batches under way at once. */
  readonly inFlightMax: number
}

/** How much of what is known a new batch leaves standing: about twenty batches count. */
const memory = 0.95
/** What a write costs until more is known, and how many writes squared that is worth. */
const writeMsAtFirst = 0.02
const certaintyAtFirst = 100
/** The part of a batch's time that its fixed cost may be. */
const fixedPart = 0.1
/** A batch may always have so many, and wait for so long, whatever was measured. */
const batchAlways = 100
const delayAlwaysMs = 2

/**
 * Learns what batches cost, and says how big the next may be and how long it gathers. A batch takes a fixed time (the way to the
 * store, the commit) and some for each write: a line through sizes and times, by least squares in which old batches fade. A batch
 * may grow until the fixed time is a tenth of it; more would make it later and hardly cheaper. It gathers for the time that
 * spreads the batches under way evenly over the fixed time.
 */
export class BatchTuner {
  readonly #bounds: BatchBounds
  #weight = 0
  #size = 0
  #ms = 0
  #sizeSize = 0
  #sizeMs = 0

  constructor(bounds: BatchBounds) {
    this.#bounds = bounds
  }

  /** A batch was committed. */
  note(size: number, durationMs: number): void {
    this.#weight = this.#weight * memory + 1
    this.#size = this.#size * memory + size
    this.#ms = this.#ms * memory + durationMs
    this.#sizeSize = this.#sizeSize * memory + size * size
    this.#sizeMs = this.#sizeMs * memory + size * durationMs
  }

  /** Writes in the next batch at most. */
  get batchMax(): number {
    const { batchMax } = this.#bounds
    const { fixedMs, writeMs } = this.#cost()
    const worthWhile = (fixedMs * (1 / fixedPart - 1)) / writeMs
    return Math.min(batchMax, Math.max(batchAlways, Math.floor(worthWhile)))
  }

  /** How long the next batch gathers while others are under way. */
  get delayMs(): number {
    const { maxDelayMs, inFlightMax } = this.#bounds
    if (this.#weight === 0) return Math.min(maxDelayMs, delayAlwaysMs)
    const { fixedMs } = this.#cost()
    return Math.min(maxDelayMs, Math.max(fixedMs / inFlightMax, Math.min(fixedMs, delayAlwaysMs)))
  }

  #cost(): { fixedMs: number; writeMs: number } {
    if (this.#weight === 0) return { fixedMs: 0, writeMs: writeMsAtFirst }
    const size = this.#size / this.#weight
    const ms = this.#ms / this.#weight
    // Sums about the means; never negative but for rounding.
    const spread = Math.max(0, this.#sizeSize - this.#weight * size * size)
    const together = this.#sizeMs - this.#weight * size * ms
    const slope = (together + certaintyAtFirst * writeMsAtFirst) / (spread + certaintyAtFirst)
    const writeMs = Math.max(slope, writeMsAtFirst / 100)
    return { fixedMs: Math.max(0, ms - writeMs * size), writeMs }
  }
}

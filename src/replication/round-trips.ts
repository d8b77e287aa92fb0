const remembered = 256
const smoothing = 0.2

/** How long messages are under way, from what others echo: only durations on one's own clock count, never the others' time. */
export class RoundTrips {
  readonly #sentAtMs = new Float64Array(remembered)
  #next = 0

  /** A batch of that number is sent; numbers go up by one. */
  sent(sequence: number, nowMs: number): void {
    this.#sentAtMs[sequence % remembered] = nowMs
    this.#next = sequence + 1
  }

  /** The one-way delay that an echo shows: half of the time since the batch was sent, less what it was held. */
  delayMs({ sequence, heldMs }: { sequence: number; heldMs: number }, nowMs: number): number | undefined {
    if (sequence >= this.#next || sequence < this.#next - remembered) return undefined
    return Math.max(0, nowMs - this.#sentAtMs[sequence % remembered]! - heldMs) / 2
  }
}

/** A mean in which the last few count most. */
export function smoothed(before: number | undefined, now: number | undefined): number | undefined {
  if (before === undefined || now === undefined) return now ?? before
  return before + smoothing * (now - before)
}

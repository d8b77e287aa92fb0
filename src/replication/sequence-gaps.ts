/** Sequence numbers that came early at most; with more, what is missing is lost. */
const aheadMax = 256

/**
 * Tells lost messages from late ones: a number that is missing may only have been overtaken, so it counts as lost when others
 * have been there before it for a while.
 */
export class SequenceGaps {
  /** The lowest number that has not come; undefined before the first. */
  #next: number | undefined
  readonly #ahead = new Set<number>()
  #sinceMs = 0

  /** A message of that number came. */
  received(sequence: number, nowMs: number): void {
    this.#next ??= sequence
    if (sequence < this.#next) return
    if (sequence > this.#next) {
      if (this.#ahead.size === 0) this.#sinceMs = nowMs
      this.#ahead.add(sequence)
      return
    }
    this.#next++
    if (this.#ahead.size === 0) return
    while (this.#ahead.delete(this.#next)) this.#next++
    this.#sinceMs = nowMs
  }

  /** Whether messages are lost, missing for longer than `patienceMs`; asked again, it speaks of others. */
  takeLost(nowMs: number, patienceMs: number): boolean {
    if (this.#ahead.size === 0) return false
    if (nowMs - this.#sinceMs < patienceMs && this.#ahead.size <= aheadMax) return false
    this.#next = Math.max(...this.#ahead) + 1
    this.#ahead.clear()
    return true
  }

  /** What comes next begins anew. */
  reset(): void {
    this.#next = undefined
    this.#ahead.clear()
  }
}

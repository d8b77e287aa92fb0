/** One token bucket that hears of everything at once: what others are measured against. */
export class CentralBucket {
  readonly #capacity: number
  readonly #perMs: number
  #debt = 0
  #atMs = 0

  constructor(limit: { readonly capacity: number; readonly refillPerSec: number }) {
    this.#capacity = limit.capacity
    this.#perMs = limit.refillPerSec / 1000
  }

  take(nowMs: number, tokens = 1): boolean {
    this.#drain(nowMs)
    if (this.#debt + tokens > this.#capacity) return false
    this.#debt += tokens
    return true
  }

  /** Takes tokens even beyond the limit, and answers by how much the limit is passed then. */
  charge(nowMs: number, tokens = 1): number {
    this.#drain(nowMs)
    this.#debt += tokens
    return Math.max(0, this.#debt - this.#capacity)
  }

  /** Tokens that are given back. */
  refund(nowMs: number, tokens: number): void {
    this.#drain(nowMs)
    this.#debt = Math.max(0, this.#debt - tokens)
  }

  #drain(nowMs: number): void {
    this.#debt = Math.max(0, this.#debt - (nowMs - this.#atMs) * this.#perMs)
    this.#atMs = nowMs
  }
}

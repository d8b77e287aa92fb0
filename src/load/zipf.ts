/** How popularity is spread over things numbered from 1, the most popular first. */
export interface ZipfOptions {
  /** How many there are. */
  readonly count: number
  /** Number k comes up in proportion to k^−skew; 0: all alike. */
  readonly skew: number
  /** From 0 to 1, 1 excluded. */
  readonly random: () => number
}

/**
 * Draws from Zipf's distribution over 1 to `count`, exactly and in constant time and memory, by rejection-inversion: W. Hörmann,
 * G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", ACM TOMACS 6 (1996).
 */
export class Zipf {
  readonly #count: number
  readonly #skew: number
  readonly #random: () => number
  readonly #areaFrom: number
  readonly #areaTo: number
  /** Within this distance below a number its column covers the curve: no need to compare. */
  readonly #surelyWithin: number

  constructor({ count, skew, random }: ZipfOptions) {
    this.#count = count
    this.#skew = skew
    this.#random = random
    this.#areaFrom = this.#area(1.5) - 1
    this.#areaTo = this.#area(count + 0.5)
    this.#surelyWithin = 2 - this.#inverseArea(this.#area(2.5) - 2 ** -skew)
  }

  next(): number {
    for (;;) {
      const area = this.#areaTo + this.#random() * (this.#areaFrom - this.#areaTo)
      const x = this.#inverseArea(area)
      const k = Math.min(this.#count, Math.max(1, Math.round(x)))
      if (k - x <= this.#surelyWithin || area >= this.#area(k + 0.5) - k ** -this.#skew) return k
    }
  }

  /** ∫ t^−skew dt from 1 to x. */
  #area(x: number): number {
    const log = Math.log(x)
    const exponent = (1 - this.#skew) * log
    return exponent === 0 ? log : (Math.expm1(exponent) / exponent) * log
  }

  #inverseArea(area: number): number {
    const part = area * (1 - this.#skew)
    // Rounding may take it just below where the curve begins.
    return Math.exp(part === 0 ? area : (Math.log1p(Math.max(part, -1)) / part) * area)
  }
}

import { asOfWord, flagsWord, markWord, type BucketTable } from './table.ts'

/** Above the flags of a row stands when it was told last, and above that what is kept back, in parts of a token. */
const toldShift = 2
const toldMask = 0x3ff
const keptShift = 12
const keptUnits = 16
const keptMax = 2 ** 20 - 1
const belowKept = 0xfff
/** In periods of half a contact time-out: whoever is in contact has heard what was told longer ago. */
const latelyPeriods = 2
const partMax = 0xffff

/** More than this can't be kept back, in tokens. */
export const keptTokensMax = keptMax / keptUnits

/** Tokens kept back and not yet refilled, and the part of the bucket's debt that they are. */
export interface Kept {
  readonly tokens: number
  readonly owed: number
}

/**
 * What this replica's callers took of a bucket and the others have not been told.
 *
 * The refill pays what all know to be owed first. Only while that is nothing, it pays what is kept back, and since others may keep
 * back as much, each replica's gets its part of the refill only. So all that is owed anywhere is at most what all know of, and what
 * each keeps back: both together never get more than the refill.
 *
 * The bucket's own debt is less careful: it is what this replica has seen taken, refilled by the whole rate. So it holds what all
 * know of, and `owed` of what is kept back.
 */
export class KeptNews {
  readonly #table: BucketTable

  constructor(table: BucketTable) {
    this.#table = table
  }

  has(row: number): boolean {
    return this.#table.words[row + flagsWord]! >>> keptShift > 0
  }

  /** Tokens kept back and not yet refilled. */
  tokens(row: number, clock: number): number {
    if (!this.has(row)) return 0
    const debt = this.#table.doubles[(row + markWord) >> 1]! - clock
    // What all know of is paid since the debt fell below what it holds of what is kept back.
    const refilled = Math.max(0, this.#owedAtFirst(row) - debt) / this.#table.replicas
    return Math.max(0, this.#tokensAtFirst(row) - refilled)
  }

  /** The part of the bucket's debt that is kept back, in tokens: the rest is known to all. */
  owed(row: number, clock: number): number {
    const debt = this.#table.doubles[(row + markWord) >> 1]! - clock
    return Math.max(0, Math.min(debt, this.#owedAtFirst(row)))
  }

  /**
   * To be called with the mark of the moment: it says since when what all know of is paid. That is exact: the mark takes what is
   * rounded of the part that is kept back.
   */
  keep(row: number, { tokens, owed }: Kept): void {
    const { words, doubles } = this.#table
    const units = Math.min(keptMax, Math.ceil(tokens * keptUnits))
    const part = units > 0 ? Math.min(partMax, Math.round((owed * keptUnits * partMax) / units)) : 0
    words[row + flagsWord] = (words[row + flagsWord]! & belowKept) | (units << keptShift)
    words[row + asOfWord] = (words[row + asOfWord]! & 0xffff) | (part << 16)
    doubles[(row + markWord) >> 1]! += this.#owedAtFirst(row) - owed
  }

  /** The bucket's news was sent in this period. */
  told(row: number, period: number): void {
    const { words } = this.#table
    words[row + flagsWord] =
      (words[row + flagsWord]! & ~(toldMask << toldShift)) | ((period & toldMask) << toldShift)
  }

  /** Whether its news may be under way. Periods are counted modulo 1,024: once in a long while one that is long ago looks recent. */
  isToldLately(row: number, period: number): boolean {
    const toldIn = (this.#table.words[row + flagsWord]! >>> toldShift) & toldMask
    return ((period - toldIn) & toldMask) <= latelyPeriods
  }

  #tokensAtFirst(row: number): number {
    return (this.#table.words[row + flagsWord]! >>> keptShift) / keptUnits
  }

  #owedAtFirst(row: number): number {
    return (this.#tokensAtFirst(row) * (this.#table.words[row + asOfWord]! >>> 16)) / partMax
  }
}

import { asOfWord, othersRateWord, type BucketTable } from './table.ts'

/**
 * What others have probably taken of a bucket unheard: their rate in the last batch interval, in which each of them sent one batch,
 * for as long as news waits for a batch and is under way.
 */
export class UnheardTakes {
  readonly #table: BucketTable
  #delayMs = 0
  #batchIntervalMs = 0

  constructor(table: BucketTable) {
    this.#table = table
  }

  /** How long news is under way on average, and how often others send it; without an interval nothing is expected. */
  setNewsTimes(times: { readonly delayMs: number; readonly batchIntervalMs: number }): void {
    this.#delayMs = times.delayMs
    this.#batchIntervalMs = times.batchIntervalMs
  }

  /** So many tokens of others were heard of. */
  heard(row: number, tokens: number, nowMs: number): void {
    const { words, floats } = this.#table
    const intervalMs = this.#batchIntervalMs
    if (!(intervalMs > 0)) return
    const left = Math.max(0, 1 - this.#sinceMs(row, nowMs) / intervalMs)
    floats[row + othersRateWord] = floats[row + othersRateWord]! * left + (tokens * 1000) / intervalMs
    words[row + asOfWord] = (words[row + asOfWord]! & ~0xffff) | (Math.floor(nowMs) & 0xffff)
  }

  expected(row: number, nowMs: number): number {
    const rate = this.#table.floats[row + othersRateWord]!
    if (rate === 0) return 0
    const intervalMs = this.#batchIntervalMs
    // Who takes still is heard once an interval; who isn't heard for two takes no more.
    const believed = Math.min(1, 2 - this.#sinceMs(row, nowMs) / intervalMs)
    return believed > 0 ? (rate * believed * (this.#delayMs + intervalMs / 2)) / 1000 : 0
  }

  #sinceMs(row: number, nowMs: number): number {
    return (Math.floor(nowMs) - this.#table.words[row + asOfWord]!) & 0xffff
  }
}

import { Decision, type BucketState, roundingTokens, type BucketShare } from './decision.ts'
import type { BucketSet, Totals } from './bucket-set.ts'
import { RefillClock } from './refill-clock.ts'
import { BucketTable, dirtyFlag, flagsWord, hashWord } from './table.ts'

export interface BucketsOptions {
  readonly limit: string
  /** Tokens of a full bucket. */
  readonly capacity: number
  readonly refillPerSec: number
  /** Buckets in memory at most. */
  readonly bucketsMax: number
  /** A bucket that has been full for this long is forgotten. */
  readonly idleMs: number
  readonly nowMs: number
}

/** Rows looked at to find the one that goes when the table is full. */
const evictionSample = 64

/**
 * The token buckets of one limit, each found by its keyed hash: the whole of mode `local`, and the core of the others.
 *
 * A bucket keeps only its *mark*: the reading of the refill clock at which it is full again. Its debt (tokens taken and
 * not yet refilled) is mark − clock, or 0; what is available is capacity − debt. (The virtual scheduling algorithm of
 * ITU-T I.371, in tokens instead of time.) Nothing here reads a clock: `nowMs` is monotonic time, in milliseconds.
 */
export class Buckets implements BucketSet {
  readonly limit: string
  protected readonly table: BucketTable
  protected readonly clock: RefillClock
  #share: BucketShare
  readonly #idleMs: number
  #sweepAt = 0
  #sweepInUse = 0
  #sweepDebt = 0
  #evictAt = 0
  /** As of the last whole pass of `sweep`. */
  totals: Totals = { inUse: 0, capacity: 0, debt: 0 }
  /** Tokens ever taken by this replica's callers; takes allowed, and refused. */
  tokensTaken = 0
  takesAllowed = 0
  takesRefused = 0
  tokensHeard = 0
  tokensOverLimit = 0
  /** Buckets dropped because the table was full: that were full themselves, and that were not. */
  evictedFull = 0
  evictedInUse = 0

  constructor(options: BucketsOptions, replicas = 0) {
    this.limit = options.limit
    this.table = new BucketTable({ rowsMax: options.bucketsMax, replicas })
    this.clock = new RefillClock({ perSec: options.refillPerSec, nowMs: options.nowMs })
    const { limit, capacity, refillPerSec } = options
    this.#share = { limit, capacity, refillPerSec }
    this.#idleMs = options.idleMs
  }

  /** Buckets in memory. */
  get size(): number {
    return this.table.size
  }

  get capacity(): number {
    return this.#share.capacity
  }

  get refillPerSec(): number {
    return this.#share.refillPerSec
  }

  get bytes(): number {
    return this.table.bytes
  }

  /** From now on buckets hold `capacity` and refill by `refillPerSec`; what they owe stays. */
  setShare(share: { capacity: number; refillPerSec: number }, nowMs: number): void {
    this.#share = { limit: this.limit, ...share }
    this.clock.setRate(share.refillPerSec, nowMs)
  }

  /** Refills all buckets by what was held back. */
  refill(tokens: number): void {
    this.clock.advance(tokens)
  }

  /** Takes `cost` tokens, a positive integer, or refuses and changes nothing. */
  take(key: { lo: number; hi: number }, cost: number, nowMs: number): Decision {
    const clock = this.clock.read(nowMs)
    let row = this.table.find(key.lo, key.hi)
    const debt = row < 0 ? 0 : this.debtOf(row, clock)
    const share = this.#share
    if (debt + cost > share.capacity + roundingTokens) {
      this.takesRefused++
      return new Decision(share, debt, cost, false)
    }
    if (row >= 0) {
      const guard = this.guardOf(row, nowMs)
      if (guard > 0 && debt + guard + cost > share.capacity) {
        this.takesRefused++
        return new Decision(share, debt + guard, cost, false)
      }
    }
    if (row < 0) row = this.insertRow(key.lo, key.hi, clock)
    const after = this.charge(row, debt, cost, nowMs)
    this.table.doubles[row >> 1] = clock + after
    this.tokensTaken += cost
    this.takesAllowed++
    return new Decision(share, after, cost, true)
  }

  /** Gives tokens back, never beyond full, and answers how many were. */
  give(key: { lo: number; hi: number }, tokens: number, nowMs: number): number {
    const clock = this.clock.read(nowMs)
    const row = this.table.find(key.lo, key.hi)
    const debt = row < 0 ? 0 : this.debtOf(row, clock)
    const given = Math.min(tokens, Math.ceil(debt - roundingTokens))
    if (given <= 0) return 0
    this.refund(row, debt, given)
    this.table.doubles[row >> 1] = clock + Math.max(0, debt - given)
    return given
  }

  /** Makes the bucket full. */
  reset(key: { lo: number; hi: number }, nowMs: number): void {
    this.give(key, Number.MAX_SAFE_INTEGER, nowMs)
  }

  state(key: { lo: number; hi: number }, nowMs: number): BucketState {
    return new Decision(this.#share, this.debt(key, nowMs), 0, true)
  }

  /** Tokens taken and not yet refilled; may pass the capacity after takes in several regions at once. */
  debt(key: { lo: number; hi: number }, nowMs: number): number {
    const row = this.table.find(key.lo, key.hi)
    return row < 0 ? 0 : this.debtOf(row, this.clock.read(nowMs))
  }

  /**
   * Goes on through the table by up to `rowsMax` rows: forgets idle buckets and sums up the others; `totals` is renewed at
   * the end of each pass. To be called now and then; a call's time is bounded by `rowsMax`.
   */
  sweep(rowsMax: number, nowMs: number): void {
    const { table } = this
    const clock = this.clock.read(nowMs)
    const end = Math.min(this.#sweepAt + rowsMax, table.rowsEverUsed)
    for (; this.#sweepAt < end; this.#sweepAt++) {
      const row = this.#sweepAt * table.stride
      if (!table.isUsed(row)) continue
      const debt = this.debtOf(row, clock)
      if (debt > 0) {
        this.#sweepInUse++
        this.#sweepDebt += debt
      } else if (this.isIdle(row, clock) && !this.isDirty(row) && this.untold(row, clock) === 0) {
        table.remove(row)
      }
    }
    if (this.#sweepAt < table.rowsEverUsed) return
    const inUse = this.#sweepInUse
    this.totals = { inUse, capacity: inUse * this.#share.capacity, debt: this.#sweepDebt }
    this.#sweepAt = this.#sweepInUse = this.#sweepDebt = 0
  }

  /** Notes what else is to be noted when tokens are taken here from a bucket with that debt, and answers its debt after that. */
  protected charge(_row: number, debt: number, tokens: number, _nowMs: number): number {
    return debt + tokens
  }

  /** What else is to be noted when tokens are given back here; as `charge`. */
  protected refund(_row: number, _debt: number, _tokens: number): void {}

  /** Tokens that others have probably taken, and that were not heard of yet; held back, but not charged. */
  protected guardOf(_row: number, _nowMs: number): number {
    return 0
  }

  /** Others' takes raised a bucket's debt: what is beyond the capacity now and was not before is beyond the limit. */
  protected noteOthers(debt: number, after: number): void {
    if (after > this.capacity) this.tokensOverLimit += Math.max(0, after - Math.max(debt, this.capacity))
  }

  /** Tokens taken here that nobody else may hear of any more when the bucket is forgotten. */
  protected untold(_row: number, _clock: number): number {
    return 0
  }

  protected debtOf(row: number, clock: number): number {
    const debt = this.table.doubles[row >> 1]! - clock
    return debt > 0 ? debt : 0
  }

  /** Full for so long that no other replica can still owe news of it: it may be forgotten, and starts anew. */
  protected isIdle(row: number, clock: number): boolean {
    return clock - this.table.doubles[row >> 1]! >= this.idleTokens()
  }

  /** What a bucket refills in the idle time. */
  protected idleTokens(): number {
    return (this.clock.perSec * this.#idleMs) / 1000
  }

  protected isDirty(row: number): boolean {
    return (this.table.words[row + flagsWord]! & dirtyFlag) !== 0
  }

  /** A row for a new bucket, full at this reading; at the bound another goes for it. */
  protected insertRow(lo: number, hi: number, clock: number): number {
    if (this.table.isFull) this.#evict(clock)
    const row = this.table.insert(lo, hi)
    this.table.doubles[row >> 1] = clock
    return row
  }

  /**
   * Makes room: of the next rows the first that is full and has no news to send, else the one that owes least. A sample,
   * because the exact answer would cost a heap beside the table; rows stand in order of arrival, so that neighbours are
   * no more alike than any others.
   */
  #evict(clock: number): void {
    const { table } = this
    let least = -1
    let leastRank = Number.POSITIVE_INFINITY
    for (let seen = 0; seen < Math.min(evictionSample, table.rowsEverUsed); seen++) {
      if (this.#evictAt >= table.rowsEverUsed) this.#evictAt = 0
      const row = this.#evictAt++ * table.stride
      if (!table.isUsed(row)) continue
      const debt = this.debtOf(row, clock) + this.untold(row, clock)
      const rank = this.isDirty(row) ? debt + this.#share.capacity : debt
      if (rank >= leastRank) continue
      least = row
      leastRank = rank
      if (rank === 0) break
    }
    if (leastRank === 0) this.evictedFull++
    else this.evictedInUse++
    table.remove(least)
  }
}

/** The hash of a row, for those who send it on. */
export function rowHash(table: BucketTable, row: number): { lo: number; hi: number } {
  return { lo: table.words[row + hashWord]!, hi: table.words[row + hashWord + 1]! }
}

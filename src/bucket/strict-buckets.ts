import type { BucketSet, PageRange, SavedBucket, Totals } from './bucket-set.ts'
import { Decision, roundingTokens, type BucketShare, type BucketState } from './decision.ts'
import { rowHash } from './buckets.ts'
import { ShareLeases } from './share-leases.ts'
import { StrictRows, type BaseShare } from './strict-rows.ts'

export interface StrictBucketsOptions {
  readonly limit: string
  /** Buckets in memory at most. */
  readonly bucketsMax: number
  /** How long a lease of a share runs for its lender, in milliseconds; see {@link ShareLeases}. */
  readonly leaseMs: number
  /**
   * When this replica may use its own share; -Infinity if no earlier life of it can have leased it out. After a start that is
   * `leaseMs` later, and its buckets are empty then.
   */
  readonly ownFromMs: number
}

/**
 * Mode `strict`: buckets that never admit more than the limit, whatever the network does (I3).
 *
 * Each replica has a bucket of its own share, and decides by that alone. Parts of shares, with the tokens in them, are leased
 * from one replica to another as demand moves: {@link ShareLeases}. At any moment the parts of a share that are in use
 * anywhere are disjoint, so all replicas' capacities are at most C in sum and their refill rates at most R, and in any
 * window w at most C + R·w is admitted.
 *
 * A region's share is that of its replica with ordinal 0; others of the region have what it leases to them.
 * At the bound a bucket that is full and has no leases is forgotten for a new one; if there is none, a new key is refused.
 */
export class StrictBuckets implements BucketSet {
  readonly limit: string
  /** The same number for the same limit in every replica. */
  readonly id: number
  readonly leases: ShareLeases
  readonly #rows: StrictRows
  #share: BucketShare
  #sweepAt = 0
  #sweep = { inUse: 0, capacity: 0, debt: 0 }
  totals: Totals = { inUse: 0, capacity: 0, debt: 0 }
  tokensTaken = 0
  takesAllowed = 0
  takesRefused = 0
  /** Nothing is counted together in this mode, and nothing admitted beyond the limit. */
  readonly tokensHeard = 0
  readonly tokensOverLimit = 0
  /** Buckets in use are never dropped in this mode. */
  readonly evictedInUse = 0

  constructor(id: number, options: StrictBucketsOptions) {
    this.id = id
    this.limit = options.limit
    this.#rows = new StrictRows(options)
    this.leases = new ShareLeases(id, this.#rows)
    this.#share = { limit: options.limit, capacity: 0, refillPerSec: 0 }
  }

  get size(): number {
    return this.#rows.table.size
  }

  get bytes(): number {
    return this.#rows.table.bytes
  }

  get evictedFull(): number {
    return this.#rows.evictedFull
  }

  /** The whole limit, and what each replica brings to it, by slot; this replica's own first. */
  setShares(whole: BaseShare, bases: readonly BaseShare[]): void {
    this.#rows.setShares(whole, bases)
    if (whole.capacity === this.#share.capacity && whole.refillPerSec === this.#share.refillPerSec) return
    this.#share = { limit: this.limit, capacity: whole.capacity, refillPerSec: whole.refillPerSec }
  }

  take(key: { lo: number; hi: number }, cost: number, nowMs: number): Decision {
    const rows = this.#rows
    const now = rows.time(nowMs)
    const row = rows.rowFor(key, now)
    const allowed = row >= 0 && this.#takeFrom(row, cost, now)
    if (allowed) {
      this.tokensTaken += cost
      this.takesAllowed++
    } else {
      this.takesRefused++
    }
    const level = row < 0 ? 0 : rows.settled.level
    return new Decision(this.#share, this.#share.capacity - level, cost, allowed)
  }

  give(key: { lo: number; hi: number }, tokens: number, nowMs: number): number {
    const rows = this.#rows
    const row = rows.table.find(key.lo, key.hi)
    if (row < 0) return 0
    const { level, capacity } = rows.settle(row, rows.time(nowMs))
    const given = Math.min(tokens, Math.ceil(capacity - level - roundingTokens))
    if (given <= 0) return 0
    rows.setLevel(row, Math.min(capacity, level + given))
    return given
  }

  /** Fills what this replica holds of the bucket; what others hold is theirs. */
  reset(key: { lo: number; hi: number }, nowMs: number): void {
    this.give(key, Number.MAX_SAFE_INTEGER, nowMs)
  }

  /** Capacity is the whole limit's; what remains is what can be spent here. */
  state(key: { lo: number; hi: number }, nowMs: number): BucketState {
    const rows = this.#rows
    const now = rows.time(nowMs)
    const row = rows.table.find(key.lo, key.hi)
    const level = row < 0 ? rows.levelOfUnknown(now) : rows.settle(row, now).level
    return new Decision(this.#share, this.#share.capacity - level, 0, true)
  }

  debt(key: { lo: number; hi: number }, nowMs: number): number {
    const rows = this.#rows
    const row = rows.table.find(key.lo, key.hi)
    if (row < 0) return 0
    const { level, capacity } = rows.settle(row, rows.time(nowMs))
    return capacity - level
  }

  sweep(rowsMax: number, nowMs: number): void {
    const rows = this.#rows
    const { table } = rows
    const now = rows.time(nowMs)
    const end = Math.min(this.#sweepAt + rowsMax, table.rowsEverUsed)
    for (; this.#sweepAt < end; this.#sweepAt++) {
      const row = this.#sweepAt * table.stride
      if (!table.isUsed(row)) continue
      if (rows.isForgettable(row, now)) {
        table.remove(row)
        continue
      }
      const { level, capacity } = rows.settle(row, now)
      if (level >= capacity) continue
      this.#sweep.inUse++
      this.#sweep.capacity += capacity
      this.#sweep.debt += capacity - level
    }
    if (this.#sweepAt < table.rowsEverUsed) return
    this.totals = this.#sweep
    this.#sweep = { inUse: 0, capacity: 0, debt: 0 }
    this.#sweepAt = 0
  }

  /**
   * Writes buckets that are not full, with what is at hand of this replica's own share; after the last take, and when nothing is lent,
   * that is all that a next life has to know. Range and answer as for a page of live buckets.
   */
  save(range: PageRange, nowMs: number, write: (bucket: SavedBucket) => void): number {
    const rows = this.#rows
    const now = rows.time(nowMs)
    const full = rows.base(0).capacity
    return rows.table.scan(range, (row) => {
      const { level } = rows.settle(row, now)
      if (level >= full) return false
      write({ ...rowHash(rows.table, row), tokens: level })
      return true
    })
  }

  /** What an earlier life had at hand is there again, but for what it would have refilled meanwhile. False if there is no room. */
  restore(bucket: SavedBucket, nowMs: number): boolean {
    const rows = this.#rows
    const row = rows.rowFor(bucket, rows.time(nowMs))
    if (row >= 0) rows.setLevel(row, Math.min(bucket.tokens, rows.base(0).capacity))
    return row >= 0
  }

  /** Nothing known of an earlier life: shares are waited for, and buckets are empty then. */
  startCold(ownFromMs: number): void {
    this.#rows.startCold(ownFromMs)
  }

  #takeFrom(row: number, cost: number, now: number): boolean {
    const rows = this.#rows
    rows.ask(row, cost, now)
    const { settled } = rows
    rows.settle(row, now)
    const allowed = settled.level + roundingTokens >= cost
    if (allowed) {
      settled.level = Math.max(0, settled.level - cost)
      rows.setLevel(row, settled.level)
    }
    this.leases.noteTake(row)
    return allowed
  }
}

import type { BucketState, Decision } from './decision.ts'

/** What a whole pass over the buckets found. */
export interface Totals {
  /** Buckets that are not full. */
  readonly inUse: number
  /** What they hold when full, and the tokens taken and not yet refilled. */
  readonly capacity: number
  readonly debt: number
}

/** Rows to go through for a page: from a row number on, until so many are written or looked at. */
export interface PageRange {
  readonly from: number
  readonly entriesMax: number
  readonly rowsMax: number
}

/** A bucket as a snapshot keeps it. */
export interface SavedBucket {
  lo: number
  hi: number
  /** Owed (pooled), or at hand (strict). */
  tokens: number
}

/** The buckets of one limit, each found by its keyed hash: what all modes have. `nowMs` is monotonic time, in milliseconds. */
export interface BucketSet {
  readonly limit: string
  /** Buckets in memory, and their bytes. */
  readonly size: number
  readonly bytes: number
  /** As of the last whole pass of `sweep`. */
  readonly totals: Totals
  /** Tokens ever taken by this replica's callers; takes allowed, and refused. */
  readonly tokensTaken: number
  readonly takesAllowed: number
  readonly takesRefused: number
  /** Tokens that replicas in contact took, as heard here. */
  readonly tokensHeard: number
  /** Tokens taken beyond the limit, as found out when others' takes were heard of. */
  readonly tokensOverLimit: number
  /** Buckets dropped because the table was full: that were full themselves, and that were not. */
  readonly evictedFull: number
  readonly evictedInUse: number
  /** Takes `cost` tokens, a positive integer, or refuses and changes nothing. */
  take(key: { lo: number; hi: number }, cost: number, nowMs: number): Decision
  /** Gives tokens back, never beyond full, and answers how many were. */
  give(key: { lo: number; hi: number }, tokens: number, nowMs: number): number
  /** Makes the bucket full. */
  reset(key: { lo: number; hi: number }, nowMs: number): void
  state(key: { lo: number; hi: number }, nowMs: number): BucketState
  /** Tokens taken and not yet refilled. */
  debt(key: { lo: number; hi: number }, nowMs: number): number
  /** Goes on through the table by up to `rowsMax` rows: forgets idle buckets and sums up the others. */
  sweep(rowsMax: number, nowMs: number): void
}

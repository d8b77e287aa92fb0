import type { BucketState, Decision } from '../bucket/decision.ts'
import type { Key64 } from '../bucket/hash.ts'

export type { BucketState, Decision, Key64 }

/** What one region brings to a limit. The whole limit is the sum of the shares of the regions in contact. */
export interface Share {
  /** Tokens that the region's part of a full bucket holds; a positive integer. */
  readonly capacity: number
  /** Tokens a second by which it refills; positive, may be fractional. */
  readonly refillPerSec: number
}

export type Shares = Readonly<Record<string, Share>>

/** Named keys (users) of a limit that have shares of their own. */
export interface LimitOverride {
  readonly keys: readonly string[]
  readonly shares: Shares
}

/**
 * `pooled`: any region spends any token it doesn't know to be spent. `strict`: never more than the limit, whatever the network
 * does; shares move between regions with demand. `local`: each region its own share, unreplicated.
 */
export type LimitMode = 'pooled' | 'strict' | 'local'

/** A named policy: how many tokens a key has. */
export interface LimitSpec {
  readonly name: string
  readonly mode: LimitMode
  /** By region name. */
  readonly shares: Shares
  readonly overrides: readonly LimitOverride[]
  /** Keys that are always refused. */
  readonly deny?: readonly string[]
  /** Decides and counts, but refuses nobody, not even whom it denies. */
  readonly shadow?: boolean
  /** Buckets kept in memory at most; at the bound full idle buckets go first, then the least indebted. */
  readonly bucketsMax: number
}

/** A bucket in detail: its state and who has taken what since it was last full. */
export interface BucketView {
  readonly state: BucketState
  readonly takenByRegion: Readonly<Record<string, number>>
}

/** What callers of the limiter see. Every method is synchronous and local: no I/O. */
export interface LimiterApi {
  /**
   * Takes `cost` tokens (a positive integer, default 1) from `key`'s bucket, or refuses and changes nothing.
   * @throws {UnknownLimitError} if no limit has that name. @throws {CostError} if cost is no positive integer, or above the whole limit's capacity. @throws {KeyDeniedError} if the limit denies the key.
   */
  take(limit: string, key: string, cost?: number): Decision
  /** Gives tokens back, never beyond full; answers how many were given back. Throws as `take` does. */
  give(limit: string, key: string, tokens: number): { readonly given: number; readonly state: BucketState }
  /** Reads without taking. An unknown key is a full bucket. */
  peek(limit: string, key: string): BucketView
  /** Makes the bucket full again, in every region. */
  reset(limit: string, key: string): BucketState
  /** The limits in force. */
  limits(): readonly LimitSpec[]
}

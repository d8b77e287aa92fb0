import { Buckets } from '../bucket/buckets.ts'
import type { KeyedHash } from '../bucket/hash.ts'
import { PooledBuckets } from '../bucket/pooled-buckets.ts'
import type { LimitOverride, LimitSpec, Shares } from './types.ts'

/** The shares of a limit, or of one of its overrides, and the buckets that they apply to. */
export interface Policy {
  /** The same in all replicas: a keyed hash of what it is for. Sent over the network. */
  readonly id: number
  readonly shares: Shares
  /** Tokens of a full bucket with all regions in contact. */
  readonly capacityMax: number
  readonly buckets: Buckets
  readonly hash: KeyedHash
  /** Whether these buckets can go on under another policy. */
  fitsInto(other: Policy): boolean
  readonly bucketsMax: number
}

interface PolicyOptions {
  readonly spec: LimitSpec
  readonly override: LimitOverride | undefined
  readonly hash: KeyedHash
  readonly idleMs: number
  readonly nowMs: number
}

/** A policy with empty buckets; how much they hold is set when the regions in contact are known. */
export function makePolicy({ spec, override, hash, idleMs, nowMs }: PolicyOptions): Policy {
  const name = override ? `${spec.name}\n${override.keys.toSorted().join('\n')}` : spec.name
  const shares = override?.shares ?? spec.shares
  const own = hash.derive(name)
  const replicated = spec.mode === 'pooled'
  const options = {
    limit: spec.name,
    capacity: 0,
    refillPerSec: 0,
    bucketsMax: spec.bucketsMax,
    idleMs,
    nowMs,
  }
  // A hash of nothing: the hash of the name is the key of `own`, and half a key is no secret for long.
  own.update('')
  const id = own.lo >>> 0
  const buckets = replicated ? new PooledBuckets(id, options) : new Buckets(options)
  return {
    id,
    shares,
    capacityMax: Object.values(shares).reduce((sum, share) => sum + share.capacity, 0),
    buckets,
    hash: own,
    bucketsMax: spec.bucketsMax,
    fitsInto: (other) =>
      other.bucketsMax === spec.bucketsMax && other.buckets instanceof PooledBuckets === replicated,
  }
}

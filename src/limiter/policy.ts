import type { BucketSet } from '../bucket/bucket-set.ts'
import { Buckets } from '../bucket/buckets.ts'
import type { KeyedHash } from '../bucket/hash.ts'
import { PooledBuckets } from '../bucket/pooled-buckets.ts'
import { StrictBuckets } from '../bucket/strict-buckets.ts'
import type { LimitMode, LimitOverride, LimitSpec, Shares } from './types.ts'

/** The shares of a limit, or of one of its overrides, and the buckets that they apply to. */
export interface Policy {
  /** The same in all replicas: a keyed hash of what it is for. Sent over the network. */
  readonly id: number
  readonly shares: Shares
  /** Tokens of a full bucket with all regions in contact. */
  readonly capacityMax: number
  readonly mode: LimitMode
  readonly buckets: BucketSet
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
  readonly leaseMs: number
  readonly quietPart: number
  /** When shares of strict limits may be used here; -Infinity for at once. */
  readonly ownFromMs: number
  readonly nowMs: number
}

/** A policy with no buckets yet; how much they hold is set when the regions in contact are known. */
export function makePolicy(options: PolicyOptions): Policy {
  const { spec, override, hash } = options
  const { mode, bucketsMax } = spec
  const name = override ? `${spec.name}\n${override.keys.toSorted().join('\n')}` : spec.name
  const shares = override?.shares ?? spec.shares
  const own = hash.derive(name)
  // A hash of nothing: the hash of the name is the key of `own`, and half a key is no secret for long.
  own.update('')
  const id = own.lo >>> 0
  return {
    id,
    mode,
    shares,
    capacityMax: Object.values(shares).reduce((sum, share) => sum + share.capacity, 0),
    buckets: makeBuckets(id, options),
    hash: own,
    bucketsMax,
    fitsInto: (other) => other.bucketsMax === bucketsMax && other.mode === mode,
  }
}

function makeBuckets(id: number, policy: PolicyOptions): BucketSet {
  const { spec, idleMs, leaseMs, ownFromMs, quietPart, nowMs } = policy
  const { name: limit, bucketsMax, mode } = spec
  if (mode === 'strict') return new StrictBuckets(id, { limit, bucketsMax, leaseMs, ownFromMs })
  const options = { limit, capacity: 0, refillPerSec: 0, bucketsMax, idleMs, nowMs }
  return mode === 'pooled' ? new PooledBuckets(id, { ...options, quietPart }) : new Buckets(options)
}

import type { BucketSet } from '../bucket/bucket-set.ts'
import { ShadowDecision, type Decision } from '../bucket/decision.ts'
import { StrictBuckets } from '../bucket/strict-buckets.ts'
import { CostError, KeyDeniedError } from './errors.ts'
import type { Policy } from './policy.ts'
import type { LimitSpec } from './types.ts'

/** The buckets of a limit and its overrides, for metrics. */
export interface LimitStats {
  readonly limit: string
  readonly buckets: number
  /** Buckets that are not full, their capacity, and the tokens taken of it and not yet refilled. */
  readonly bucketsInUse: number
  readonly tokenCapacity: number
  readonly tokensConsumed: number
  /** Ever taken by this replica's callers. */
  readonly tokensTaken: number
  readonly takesAllowed: number
  readonly takesRefused: number
  /** Let through in shadow mode only. */
  readonly takesShadowed: number
  /** Refused because the key is denied. */
  readonly takesDenied: number
  /** Tokens that replicas in contact took, as heard here; tokens taken beyond the limit, as found out by that. */
  readonly tokensHeard: number
  readonly tokensOverLimit: number
  readonly evictedFull: number
  readonly evictedInUse: number
  readonly bytes: number
}

/** Takes that no bucket decided about, or not alone; they go on counting when a limit changes. */
export interface TakeCounts {
  denied: number
  shadowed: number
  /** Of those shadowed, the ones that a bucket has counted as refused. */
  shadowedByBucket: number
}

/** One limit in force: its specification, and the policies of its keys. */
export class Limit {
  readonly spec: LimitSpec
  readonly policy: Policy
  /** All of its policies: its own and those of overrides. */
  readonly policies: readonly Policy[]
  readonly counts: TakeCounts
  readonly #byKey: ReadonlyMap<string, Policy>
  readonly #denied: ReadonlySet<string>

  constructor(
    spec: LimitSpec,
    make: (override?: LimitSpec['overrides'][number]) => Policy,
    counts?: TakeCounts,
  ) {
    this.spec = spec
    this.policy = make()
    const overrides = spec.overrides.map((override) => ({ keys: override.keys, policy: make(override) }))
    this.policies = [this.policy, ...overrides.map(({ policy }) => policy)]
    this.#byKey = new Map(overrides.flatMap(({ keys, policy }) => keys.map((key) => [key, policy])))
    this.#denied = new Set(spec.deny)
    this.counts = counts ?? { denied: 0, shadowed: 0, shadowedByBucket: 0 }
  }

  policyOf(key: string): Policy {
    return (this.#byKey.size > 0 ? this.#byKey.get(key) : undefined) ?? this.policy
  }

  /** Whether a bucket turned short whose strict share can grow. */
  get isUrgent(): boolean {
    return this.policies.some(({ buckets }) => buckets instanceof StrictBuckets && buckets.leases.isUrgent)
  }

  /** @throws {CostError} @throws {KeyDeniedError} */
  take(key: string, cost: number, nowMs: number): Decision {
    const { hash, buckets, capacityMax } = this.policyOf(key)
    if (!(cost >= 1 && cost <= capacityMax && Number.isInteger(cost))) throw new CostError(cost, capacityMax)
    hash.update(key)
    if (this.#denied.size > 0 && this.#denied.has(key)) {
      if (!this.spec.shadow) {
        this.counts.denied++
        throw new KeyDeniedError(this.spec.name)
      }
      this.counts.shadowed++
      return new ShadowDecision(buckets.state(hash, nowMs), cost)
    }
    const decision = buckets.take(hash, cost, nowMs)
    if (decision.allowed || !this.spec.shadow) return decision
    this.counts.shadowed++
    this.counts.shadowedByBucket++
    return new ShadowDecision(decision, cost)
  }

  stats(): LimitStats {
    const sum = (value: (buckets: BucketSet) => number): number =>
      this.policies.reduce((total, { buckets }) => total + value(buckets), 0)
    return {
      limit: this.spec.name,
      buckets: sum((b) => b.size),
      bucketsInUse: sum((b) => b.totals.inUse),
      tokenCapacity: sum((b) => b.totals.capacity),
      tokensConsumed: sum((b) => b.totals.debt),
      tokensTaken: sum((b) => b.tokensTaken),
      takesAllowed: sum((b) => b.takesAllowed),
      takesRefused: sum((b) => b.takesRefused) - this.counts.shadowedByBucket,
      takesShadowed: this.counts.shadowed,
      takesDenied: this.counts.denied,
      tokensHeard: sum((b) => b.tokensHeard),
      tokensOverLimit: sum((b) => b.tokensOverLimit),
      evictedFull: sum((b) => b.evictedFull),
      evictedInUse: sum((b) => b.evictedInUse),
      bytes: sum((b) => b.bytes),
    }
  }
}

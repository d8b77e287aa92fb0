import type { LimitSpec } from '../src/limiter/types.ts'
import type { ReplicaId } from '../src/replication/transport.ts'
import { CentralBucket } from './central-bucket.ts'
import type { Cluster } from './cluster.ts'
import type { Mode, Plan } from './plan.ts'

export interface Take {
  readonly replica: ReplicaId
  readonly mode: Mode
  readonly key: string
  readonly cost: number
}

/** Sums of 32-bit floats are a little off. */
const roundingTokens = 0.02
/** What one region gets at least, of the whole limit, when nobody else asks. */
const duePart = 0.9

/** What must hold in a run; everything here throws when it doesn't. */
export class Checks {
  readonly #plan: Plan
  readonly #cluster: Cluster
  readonly #truths = new Map<string, CentralBucket>()
  readonly #lives = new Map<ReplicaId, object>()
  #lifeCount = 0
  readonly counts = { asked: 0, admitted: 0 }

  constructor(plan: Plan, cluster: Cluster) {
    this.#plan = plan
    this.#cluster = cluster
  }

  /** Takes, and checks that the limit is not passed in any window, by those who must not. */
  take({ replica, mode, key, cost }: Take): boolean {
    this.counts.asked++
    const limiter = this.#cluster.limiter(replica)
    const largest = this.#largest(mode)
    if (cost > Math.min(...this.#capacities(mode)) || !limiter.take(mode, key, cost).allowed) return false
    this.counts.admitted++
    // Strict: all replicas together. Pooled: each by itself, in each of its lives.
    const who = mode === 'strict' ? 'all' : `${replica} ${this.#lifeOf(replica)}`
    const name = `${mode} ${key} ${who}`
    let truth = this.#truths.get(name)
    if (!truth) this.#truths.set(name, (truth = new CentralBucket(largest)))
    const over = truth.charge(this.#cluster.nowMs, cost)
    // Limiters count whole milliseconds.
    if (over > roundingTokens + largest.refillPerSec / 1000)
      throw new Error(`${name}: ${over} tokens over at ${this.#cluster.nowMs} ms`)
    return true
  }

  everybodyInContact(): void {
    const regions = new Set(this.#plan.replicas.map((replica) => replica.split('/')[0]!))
    for (const replica of this.#plan.replicas) {
      const inContact = this.#cluster.limiter(replica).regionsInContact
      if (inContact.size !== regions.size)
        throw new Error(`${replica} is in contact with ${[...inContact].join(', ')} only`)
    }
  }

  /** I5: without traffic nothing is owed, and nothing is kept. */
  allFullAndForgotten(): void {
    for (const replica of this.#plan.replicas) {
      for (const { limit, buckets } of this.#cluster.limiter(replica).stats()) {
        if (buckets > 0) throw new Error(`${replica} still keeps ${buckets} buckets of ${limit}`)
      }
    }
  }

  gotItsDue({
    replica,
    mode,
    admitted,
    capacity,
  }: {
    replica: ReplicaId
    mode: Mode
    admitted: number
    capacity: number
  }): void {
    if (admitted < capacity * duePart)
      throw new Error(`${replica} got ${admitted} of ${capacity} ${mode} tokens, though nobody else asked`)
  }

  #lifeOf(replica: ReplicaId): number {
    const limiter = this.#cluster.limiter(replica)
    if (this.#lives.get(replica) !== limiter) {
      this.#lives.set(replica, limiter)
      this.#lifeCount++
    }
    return this.#lifeCount
  }

  #specs(mode: Mode): readonly LimitSpec[] {
    return this.#plan.configurations.map((limits) => limits.find((limit) => limit.mode === mode)!)
  }

  #capacities(mode: Mode): number[] {
    return this.#specs(mode).map(({ shares }) =>
      Object.values(shares).reduce((sum, { capacity }) => sum + capacity, 0),
    )
  }

  /**
   * The limit that may not be passed: of each region the largest share that was ever configured, since replicas change over one
   * after the other; and as fast as the fastest clock.
   */
  #largest(mode: Mode): { capacity: number; refillPerSec: number } {
    const specs = this.#specs(mode)
    const regions = Object.keys(specs[0]!.shares)
    const largest = (of: 'capacity' | 'refillPerSec'): number =>
      regions.reduce((sum, region) => sum + Math.max(...specs.map(({ shares }) => shares[region]![of])), 0)
    const pace = Math.max(...this.#plan.paces.values())
    return { capacity: largest('capacity'), refillPerSec: largest('refillPerSec') * pace }
  }
}

import type { BucketSet } from '../bucket/bucket-set.ts'
import { KeyedHash, type Key64 } from '../bucket/hash.ts'
import { PooledBuckets } from '../bucket/pooled-buckets.ts'
import { StrictBuckets } from '../bucket/strict-buckets.ts'
import type { PageStart } from '../replication/messages.ts'
import type { PeerStatus, Problem, ReplicationStats } from '../replication/replication-status.ts'
import { Replicator } from '../replication/replicator.ts'
import { regionOf, type ReplicaId, type Transport } from '../replication/transport.ts'
import { CostError, UnknownLimitError } from './errors.ts'
import { Limit, type LimitStats } from './limit.ts'
import { makePolicy, type Policy } from './policy.ts'
import { RegionShares, shareOfRegion, sumOf } from './region-shares.ts'
import { restorePages, savePage, type EarlierPage, type SnapshotPage } from './snapshot.ts'
import type { BucketState, BucketView, Decision, LimiterApi, LimitSpec, Share } from './types.ts'

export type { LimitStats }

export interface LimiterOptions {
  readonly transport: Transport
  readonly limits: readonly LimitSpec[]
  /** The secret that all replicas of a cluster share; see {@link KeyedHash}. */
  readonly hashKey: Key64
  /** Higher at every start of this replica, such as the wall clock's milliseconds. */
  readonly incarnation: number
  /** A replica unheard for this long is out of contact; milliseconds. */
  readonly contactTimeoutMs: number
  /** Monotonic time in milliseconds, such as that of a {@link CoarseClock}. */
  readonly nowMs: () => number
  /** The same time, read at that moment: strict limits must use no lease that has ended, however old a reading is. `nowMs` unless given. */
  readonly exactNowMs?: () => number
  /**
   * Of pooled buckets of which at most half is owed, replicas keep back news: of this part of the limit, all of them together. So
   * much more may be admitted in a burst that is shorter than news takes. From 0 to 1; see {@link quietPartDefault}.
   */
  readonly quietPart?: number
  /**
   * No earlier life of this replica can have leased out its share of a strict limit, or taken from it: it is new, or what it had is
   * restored. Otherwise strict limits wait after a start, until such leases have ended, and begin empty.
   */
  readonly startsFresh?: boolean
  /** A strict bucket turned short: call `tickUrgent` within a few milliseconds, not only with the next batch. Called at each take until then. */
  readonly onUrgent?: () => void
  /** The regions whose shares count changed. */
  readonly onContact?: (regions: ReadonlySet<string>) => void
  /** The first piece of news dropped for each reason and replica. */
  readonly onProblem?: (from: ReplicaId, problem: Problem) => void
}

/** Rows swept a tick and table: a few hundred microseconds at most. */
const sweepRows = 20_000
/** In contact time-outs: how long a bucket has to be full to be forgotten; why three, see {@link PooledBuckets}. */
const idleTimeouts = 3
/** In contact time-outs: how long a part of a strict share is leased. Renewed well before; the wait after a start. */
const leaseTimeouts = 5

/** Cuts most of what is sent where most buckets are far from their limit. */
export const quietPartDefault = 1 / 16

/** Rate limits by name and key, decided in local memory and kept in step with the other replicas. */
export class Limiter implements LimiterApi {
  readonly #options: LimiterOptions
  readonly #region: string
  readonly #hash: KeyedHash
  readonly #replicator: Replicator
  readonly #startsFresh: boolean
  #limits = new Map<string, Limit>()
  readonly #regionShares: RegionShares

  constructor(options: LimiterOptions) {
    this.#options = options
    this.#region = regionOf(options.transport.self)
    this.#regionShares = new RegionShares({
      region: this.#region,
      contactTimeoutMs: options.contactTimeoutMs,
      policies: () => this.#allPolicies(),
    })
    this.#hash = new KeyedHash(options.hashKey)
    this.#startsFresh = options.startsFresh ?? false
    this.#replicator = new Replicator({
      transport: options.transport,
      incarnation: options.incarnation,
      contactTimeoutMs: options.contactTimeoutMs,
      nowMs: options.nowMs,
      onContact: (regions) => this.#contactChanged(regions),
      ...(options.onProblem && { onProblem: options.onProblem }),
    })
    this.#setLimits(options.limits, this.#startsFresh)
  }

  take(limit: string, key: string, cost = 1): Decision {
    const asked = this.#limit(limit)
    const { nowMs, exactNowMs = nowMs, onUrgent } = this.#options
    if (asked.spec.mode !== 'strict') return asked.take(key, cost, nowMs())
    const decision = asked.take(key, cost, exactNowMs())
    if (onUrgent && asked.isUrgent) onUrgent()
    return decision
  }

  give(limit: string, key: string, tokens: number): { given: number; state: BucketState } {
    const { buckets, hash, capacityMax } = this.#policy(limit, key)
    if (!(tokens >= 1 && tokens <= capacityMax && Number.isInteger(tokens)))
      throw new CostError(tokens, capacityMax)
    const nowMs = this.#options.nowMs()
    hash.update(key)
    const given = buckets.give(hash, tokens, nowMs)
    return { given, state: buckets.state(hash, nowMs) }
  }

  peek(limit: string, key: string): BucketView {
    const { buckets, hash } = this.#policy(limit, key)
    const nowMs = this.#options.nowMs()
    hash.update(key)
    return { state: buckets.state(hash, nowMs), takenByRegion: this.#takenByRegion(buckets, hash, nowMs) }
  }

  reset(limit: string, key: string): BucketState {
    const { buckets, hash } = this.#policy(limit, key)
    const nowMs = this.#options.nowMs()
    hash.update(key)
    buckets.reset(hash, nowMs)
    return buckets.state(hash, nowMs)
  }

  limits(): readonly LimitSpec[] {
    return [...this.#limits.values()].map(({ spec }) => spec)
  }

  /** Puts other limits in force. What buckets owe stays, for limits that keep their name, mode and bound. */
  setLimits(specs: readonly LimitSpec[]): void {
    this.#setLimits(specs, false)
  }

  #setLimits(specs: readonly LimitSpec[], fresh: boolean): void {
    const nowMs = this.#options.nowMs()
    const leaseMs = this.#leaseMs
    const before = new Map(this.#allPolicies().map((policy) => [policy.id, policy]))
    const make = (spec: LimitSpec, override?: LimitSpec['overrides'][number]): Policy => {
      const policy = makePolicy({
        spec,
        override,
        hash: this.#hash,
        idleMs: idleTimeouts * this.#options.contactTimeoutMs,
        leaseMs,
        quietPart: this.#options.quietPart ?? quietPartDefault,
        ownFromMs: fresh ? Number.NEGATIVE_INFINITY : nowMs + leaseMs,
        nowMs,
      })
      const old = before.get(policy.id)
      return old?.fitsInto(policy) ? { ...policy, buckets: old.buckets } : policy
    }
    this.#limits = new Map(
      specs.map((spec) => [
        spec.name,
        new Limit(spec, (override) => make(spec, override), this.#limits.get(spec.name)?.counts),
      ]),
    )
    this.#regionShares.apply(nowMs)
    this.#setStrictShares()
    const buckets = this.#allPolicies().map((policy) => policy.buckets)
    this.#replicator.setTables(
      buckets.filter((candidate) => candidate instanceof PooledBuckets),
      buckets.filter((candidate) => candidate instanceof StrictBuckets).map(({ leases }) => leases),
    )
  }

  /** To be called once a batch interval: exchanges news with the other replicas, and forgets idle buckets. */
  tick(): void {
    this.#setStrictShares()
    this.#replicator.tick()
    const nowMs = this.#options.nowMs()
    this.#regionShares.holdRefill(this.#replicator.peers(), nowMs)
    for (const { buckets } of this.#allPolicies()) buckets.sweep(sweepRows, nowMs)
  }

  /**
   * Asks for parts of strict shares where a bucket turned short, before the next batch: to be called every few milliseconds, or
   * after `onUrgent`. Costs next to nothing when none did.
   */
  tickUrgent(): void {
    this.#replicator.tickUrgent()
  }

  /**
   * A page of what a next life of this replica should know, from `start` on; to be written somewhere safe now and then. `last` is for
   * pages written after the last take, and once `hasLent` is false: they hold strict buckets too.
   */
  savePage(start: PageStart, { last }: { last: boolean }): SnapshotPage {
    return savePage(this.#allPolicies(), start, { withStrict: last, nowMs: this.#options.nowMs() })
  }

  /**
   * Takes over what an earlier life of this replica, or others of its region, wrote; before the first take. Strict buckets only come
   * with all pages of one life that ended in good order, and then the limiter is to be made with `startsFresh`.
   */
  restore(pages: readonly EarlierPage[]): void {
    const nowMs = this.#options.nowMs()
    // What is owed is owed to the whole limit: as if all regions had been in contact until now.
    const policies = this.#allPolicies()
    const everywhere = new Set([this.#region, ...policies.flatMap(({ shares }) => Object.keys(shares))])
    this.#regionShares.setContact(everywhere, nowMs)
    const incomplete = restorePages(policies, pages, { withStrict: this.#startsFresh, nowMs })
    for (const buckets of incomplete) buckets.startCold(nowMs + this.#leaseMs)
    this.#regionShares.setContact(new Set([this.#region]), nowMs, { restored: true })
  }

  /** Lends nothing of strict shares any more: before this replica stops. */
  recall(): void {
    for (const { buckets } of this.#allPolicies()) {
      if (buckets instanceof StrictBuckets) buckets.leases.recall()
    }
  }

  /** Whether parts of strict shares may be leased out; for a few seconds after `recall` at most, if `tick` goes on. */
  get hasLent(): boolean {
    const nowMs = this.#options.nowMs()
    return this.#allPolicies().some(
      ({ buckets }) => buckets instanceof StrictBuckets && buckets.leases.hasLent(nowMs),
    )
  }

  /** Sends all that is unsent; the last thing before the transport closes. */
  flush(): void {
    while (this.#replicator.flush() > 0);
  }

  /** Regions whose shares count now: this one, and those in contact. */
  get regionsInContact(): ReadonlySet<string> {
    return this.#regionShares.contact
  }

  get replication(): ReplicationStats {
    return this.#replicator.stats
  }

  peers(): PeerStatus[] {
    return this.#replicator.peers()
  }

  stats(): LimitStats[] {
    return [...this.#limits.values()].map((limit) => limit.stats())
  }

  get #leaseMs(): number {
    return leaseTimeouts * this.#options.contactTimeoutMs
  }

  #limit(name: string): Limit {
    const limit = this.#limits.get(name)
    if (!limit) throw new UnknownLimitError(name, [...this.#limits.keys()])
    return limit
  }

  #policy(name: string, key: string): Policy {
    return this.#limit(name).policyOf(key)
  }

  #contactChanged(regions: ReadonlySet<string>): void {
    this.#regionShares.setContact(regions, this.#options.nowMs())
    this.#options.onContact?.(regions)
  }

  #allPolicies(): Policy[] {
    return [...this.#limits.values()].flatMap(({ policies }) => policies)
  }

  /** Strict limits know who brings what: a region's share is that of its first replica. */
  #setStrictShares(): void {
    for (const { policies } of this.#limits.values()) {
      for (const { buckets, shares } of policies) {
        if (!(buckets instanceof StrictBuckets)) continue
        const bases = Array.from({ length: this.#replicator.slots }, (_, slot) => {
          const replica = this.#replicator.replicaAt(slot)
          const share = replica?.endsWith('/0') ? shareOfRegion(shares, regionOf(replica)) : undefined
          return share ?? noShare
        })
        buckets.setShares(sumOf(Object.values(shares)), bases)
      }
    }
  }

  #takenByRegion(buckets: BucketSet, hash: KeyedHash, nowMs: number): Record<string, number> {
    if (!(buckets instanceof PooledBuckets)) return { [this.#region]: Math.ceil(buckets.debt(hash, nowMs)) }
    const taken = new Map<string, number>()
    for (const [slot, tokens] of buckets.takenBySlot(hash, nowMs).entries()) {
      const replica = this.#replicator.replicaAt(slot)
      if (replica === undefined) continue
      const region = regionOf(replica)
      taken.set(region, (taken.get(region) ?? 0) + tokens)
    }
    return Object.fromEntries(taken)
  }
}

const noShare: Share = { capacity: 0, refillPerSec: 0 }

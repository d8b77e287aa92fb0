import fc from 'fast-check'
import { expect, test } from 'vitest'
import { regionOf, type ReplicaId } from '../replication/transport.ts'
import { allInContact, pooled, wholeCapacity, wholeRefill } from './three-regions.testing.ts'
import type { LimitSpec, Shares } from './types.ts'
import { batchIntervalMs, contactTimeoutMs, Cluster } from '../../sim/cluster.ts'

const replicas: readonly ReplicaId[] = ['us/0', 'eu/0', 'ap/0']
const shares: Shares = {
  us: { capacity: 50, refillPerSec: 125 },
  eu: { capacity: 40, refillPerSec: 62.5 },
  ap: { capacity: 30, refillPerSec: 31.25 },
}
const limit: LimitSpec = { name: 'api', mode: 'pooled', shares, overrides: [], bucketsMax: 100 }
const delayMs = { min: 5, max: 110 }
/** A take is heard of everywhere after at most this: the next batch, and its delivery. */
const unheardMs = batchIntervalMs + delayMs.max
const refilledUnheard =
  (Object.values(shares).reduce((sum, { refillPerSec }) => sum + refillPerSec, 0) * unheardMs) / 1000

/**
 * One token bucket that hears of every take of some replicas at the moment it happens, and refuses none: what they owe in
 * truth. Pooled replicas may owe more than the whole limit, but only by what the others took and this one could not yet have heard.
 */
class Truth {
  readonly #members: readonly ReplicaId[]
  readonly #capacity: number
  readonly #refillPerMs: number
  #takes: { replica: ReplicaId; cost: number; atMs: number }[] = []
  #debt = 0
  #atMs: number
  /** By how much a take went beyond what is allowed, at most; 0 or less is right. */
  excess = Number.NEGATIVE_INFINITY
  admitted = 0
  over = 0

  constructor(members: readonly ReplicaId[], nowMs: number, of: Shares = shares) {
    const own = [...new Set(members.map(regionOf))].map((region) => of[region]!)
    this.#members = members
    this.#capacity = own.reduce((sum, share) => sum + share.capacity, 0)
    this.#refillPerMs = own.reduce((sum, share) => sum + share.refillPerSec, 0) / 1000
    this.#atMs = nowMs
  }

  take(replica: ReplicaId, cost: number, nowMs: number): void {
    if (!this.#members.includes(replica)) return
    this.#debt = Math.max(0, this.#debt - (nowMs - this.#atMs) * this.#refillPerMs) + cost
    this.#atMs = nowMs
    this.#takes = [
      ...this.#takes.filter(({ atMs }) => atMs > nowMs - unheardMs),
      { replica, cost, atMs: nowMs },
    ]
    const unheard = this.#takes.reduce((sum, one) => sum + (one.replica === replica ? 0 : one.cost), 0)
    this.admitted += cost
    this.over = Math.max(this.over, this.#debt - this.#capacity)
    this.excess = Math.max(this.excess, this.#debt - this.#capacity - unheard)
  }
}

interface Step {
  readonly replica: ReplicaId
  readonly cost: number
  /** Takes in a row, until refused. */
  readonly takes: number
  readonly waitMs: number
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    replica: fc.constantFrom(...replicas),
    cost: fc.integer({ min: 1, max: 30 }),
    takes: fc.constantFrom(1, 3, 200),
    waitMs: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 600 })),
  }),
  { minLength: 20, maxLength: 60 },
)
const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 })

function play(cluster: Cluster, list: readonly Step[], truths: readonly Truth[]): void {
  for (const { replica, cost, takes, waitMs } of list) {
    const limiter = cluster.limiter(replica)
    for (let i = 0; i < takes && limiter.take('api', 'alice', cost).allowed; i++) {
      for (const truth of truths) truth.take(replica, cost, cluster.nowMs)
    }
    cluster.advance(waitMs)
  }
}

function connected(seed: number, { quietPart = 0, limits = [limit] } = {}): Cluster {
  const cluster = new Cluster({ replicas, limits, seed, delayMs, quietPart })
  cluster.advance(2000)
  return cluster
}

test('I4 pooled never owes more than the limit and what the others admitted within one delivery delay', () => {
  let over = 0
  fc.assert(
    fc.property(seeds, steps, (seed, list) => {
      const cluster = connected(seed)
      for (const replica of replicas) expect(cluster.limiter(replica).regionsInContact.size).toBe(3)
      const truth = new Truth(replicas, cluster.nowMs)
      play(cluster, list, [truth])
      expect(truth.excess).toBeLessThanOrEqual(1e-3)
      over = Math.max(over, truth.over)
    }),
    { numRuns: 60 },
  )
  // The bound was put to the test: more than the limit was admitted now and then.
  expect(over).toBeGreaterThan(0)
})

const quietPart = 1 / 8

test('I4 with news kept back pooled owes no more than that much more, and what refills within one delivery delay', () => {
  const bytes = { kept: 0, told: 0 }
  fc.assert(
    fc.property(seeds, steps, (seed, list) => {
      const [cluster, chatty] = [connected(seed, { quietPart }), connected(seed)]
      const truth = new Truth(replicas, cluster.nowMs)
      play(cluster, list, [truth])
      play(chatty, list, [])
      // Who hasn't heard yet what others took lets its part of the refill pay for what it keeps back.
      expect(truth.excess).toBeLessThanOrEqual(quietPart * 120 + refilledUnheard)
      bytes.kept += cluster.bytesBetweenRegions
      bytes.told += chatty.bytesBetweenRegions
    }),
    { numRuns: 60 },
  )
  expect(bytes.kept).toBeLessThan(bytes.told)
})

test('I4 what is kept back does not add up, however often a bucket turns busy and quiet again', () => {
  const slow = pooled()
  const kept = quietPart * wholeCapacity + (wholeRefill * unheardMs) / 1000
  // One replica tells all it takes, which is all that refills. The others keep back what their part of the refill would pay for.
  const told = 1 + (quietPart * wholeCapacity) / 3
  const perMs = wholeRefill / 1000
  const turn = fc.record({
    times: fc.integer({ min: 1, max: 3 }),
    pausePart: fc.double({ min: 0.3, max: 0.6, noNaN: true }),
  })
  fc.assert(
    fc.property(seeds, fc.array(turn, { minLength: 20, maxLength: 20 }), (seed, turns) => {
      const cluster = connected(seed, { quietPart, limits: [slow] })
      const truth = new Truth(replicas, cluster.nowMs, slow.shares)
      const take = (replica: ReplicaId, cost: number, takes: number, waitMs: number): void =>
        play(cluster, [{ replica, cost, takes, waitMs }], [truth])
      for (const { times, pausePart } of turns) {
        const busyMs = (times * told) / perMs
        for (let at = 0; at < times * told; at += 3) {
          if (at % told < 3) take('us/0', told, 1, 0)
          take('eu/0', 1, 1, 0)
          take('ap/0', 1, 1, 3 / perMs)
        }
        cluster.advance(busyMs * pausePart)
      }
      take('us/0', 1, wholeCapacity, 0)
      expect(truth.excess).toBeLessThanOrEqual(kept)
    }),
    { numRuns: 20 },
  )
})

const isolates = (from: ReplicaId, to: ReplicaId): boolean => (from === 'ap/0') !== (to === 'ap/0')

const cuts: [string, (from: ReplicaId, to: ReplicaId) => boolean][] = [
  ['both ways', isolates],
  ['from one side', (from, to) => isolates(from, to) && from === 'ap/0'],
  ['from the other side', (from, to) => isolates(from, to) && to === 'ap/0'],
]

test.each(cuts)(
  'I4 with no messages %s each side admits at most its own shares after the contact time-out',
  (_how, isCut) => {
    fc.assert(
      fc.property(seeds, steps, (seed, list) => {
        const cluster = connected(seed)
        play(cluster, list.slice(0, 10), [])
        cluster.connected = (from, to) => !isCut(from, to)
        // The last message arrives, is missed, the next batch says so, and the next tick after it takes note.
        cluster.advance(contactTimeoutMs + 2 * unheardMs)
        expect(cluster.limiter('ap/0').regionsInContact).toEqual(new Set(['ap']))
        expect(cluster.limiter('us/0').regionsInContact).toEqual(new Set(['us', 'eu']))
        const sides = [['ap/0'], ['us/0', 'eu/0']].map((side) => new Truth(side, cluster.nowMs))
        play(cluster, [...list, ...list], sides)
        for (const side of sides) expect(side.excess).toBeLessThanOrEqual(1e-3)
      }),
      { numRuns: 20 },
    )
  },
)

test('I4 a partition that heals lends nothing: what both sides owe is known before their shares count again', () => {
  const each5Ms = replicas.map((replica) => ({ replica, cost: 1, takes: 1, waitMs: 0 }))
  const pause = { replica: replicas[0]!, cost: 1, takes: 0, waitMs: 5 }
  // Replicas don't notice a region's return at one moment: what refills meanwhile may count twice.
  fc.assert(
    fc.property(seeds, fc.integer({ min: 100, max: 2000 }), (seed, partitionMs) => {
      const cluster = connected(seed)
      cluster.connected = (from, to) => !isolates(from, to)
      cluster.advance(2000)
      const truth = new Truth(replicas, cluster.nowMs)
      const busy = (ms: number): void => {
        for (let i = 0; i < ms / 5; i++) play(cluster, [...each5Ms, pause], [truth])
      }
      busy(partitionMs)
      cluster.connected = () => true
      busy(3000)
      for (const replica of replicas) expect(cluster.limiter(replica).regionsInContact.size).toBe(3)
      expect(truth.excess).toBeLessThanOrEqual(refilledUnheard)
    }),
    { numRuns: 20 },
  )
})

test.each(cuts)(
  'I4 with no messages %s for a while, what all admit until after it comes to one bucket: nothing lent, nothing lost',
  (_how, isCut) => {
    const quietMs = contactTimeoutMs + 2 * unheardMs
    const taken = fc.integer({ min: 0, max: wholeCapacity })
    const duration = fc.integer({ min: 1000, max: 30_000 })
    fc.assert(
      fc.property(seeds, taken, duration, (seed, before, partitionMs) => {
        const cluster = new Cluster({ replicas, limits: [pooled()], seed, delayMs })
        allInContact(cluster)
        let admitted = 0
        const ask = (replica: ReplicaId, most: number): void => {
          while (admitted < most && cluster.limiter(replica).take('api', 'alice').allowed) admitted++
        }
        // One of each side takes all there is, so that the others take nothing unheard.
        const busy = (ms: number): void => {
          for (const endMs = cluster.nowMs + ms; cluster.nowMs < endMs; cluster.advance(50)) {
            ask('us/0', Number.POSITIVE_INFINITY)
            ask('ap/0', Number.POSITIVE_INFINITY)
          }
        }
        ask('us/0', before)
        cluster.advance(500)
        cluster.connected = (from, to) => !isCut(from, to)
        cluster.advance(quietMs)
        const startMs = cluster.nowMs
        busy(partitionMs)
        cluster.connected = () => true
        busy(4000)
        const refilled = (ms: number): number => (wholeRefill * ms) / 1000
        const central =
          wholeCapacity + Math.min(before, refilled(500 + quietMs)) + refilled(cluster.nowMs - startMs)
        // What refills while replicas notice that the others are gone, and back; and the last part of a token of each side.
        expect(Math.abs(admitted - central)).toBeLessThanOrEqual(refilled(2 * unheardMs) + 2)
      }),
      { numRuns: 40 },
    )
  },
)

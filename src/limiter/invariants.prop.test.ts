import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CounterEntry } from '../bucket/merge-rules.ts'
import { PooledBuckets } from '../bucket/pooled-buckets.ts'
import { type ReplicaId } from '../replication/transport.ts'
import {
  replicas,
  shares,
  pooled,
  still,
  seeds,
  keys,
  debtOf,
  settled,
  allInContact,
} from './three-regions.testing.ts'
import { batchIntervalMs, Cluster } from '../../sim/cluster.ts'

function threeReplicaTable(): PooledBuckets {
  const options = { limit: 'api', capacity: 1e6, refillPerSec: 1e-9, bucketsMax: 10, idleMs: 1200, nowMs: 0 }
  const made = new PooledBuckets(1, options)
  made.setReplicas(3)
  return made
}

describe('merge of counters', () => {
  const entries = fc.array(
    fc.record({
      slot: fc.constantFrom(1, 2),
      generation: fc.integer({ min: 1, max: 3 }),
      taken: fc.integer({ min: 0, max: 20 }),
      returned: fc.integer({ min: 0, max: 5 }),
    }),
    { maxLength: 8 },
  )
  const merged = (
    list: readonly { slot: number; generation: number; taken: number; returned: number }[],
  ): number[] => {
    const buckets = threeReplicaTable()
    // Something taken here, so that the bucket is never full and its counters stay visible.
    buckets.take({ lo: 1, hi: 2 }, 1000, 0)
    for (const { slot, ...counts } of list) {
      const entry: CounterEntry = { lo: 1, hi: 2, ...counts, ownDebt: counts.taken, debt: Number.NaN }
      buckets.merge(slot, entry, 'exact', 0)
    }
    return buckets.takenBySlot({ lo: 1, hi: 2 }, 0)
  }

  test('I1 merge of counters is commutative, associative and idempotent', () => {
    fc.assert(
      fc.property(entries, fc.array(fc.nat(), { maxLength: 12 }), (list, picks) => {
        const again = picks
          .map((pick) => list[pick % Math.max(1, list.length)])
          .filter((entry) => entry !== undefined)
        const shuffled = [...list.toReversed(), ...again]
        expect(merged(shuffled)).toEqual(merged(list))
        expect(merged([...list, ...list])).toEqual(merged(list))
      }),
    )
  })

  test('I1 merge of counters is monotone: within a generation they only grow', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 50 }), { minLength: 1, maxLength: 20 }), (counts) => {
        const buckets = threeReplicaTable()
        let before = 0
        for (const taken of counts) {
          buckets.merge(
            1,
            { lo: 1, hi: 2, generation: 1, taken, returned: 0, ownDebt: taken, debt: Number.NaN },
            'exact',
            0,
          )
          const debt = buckets.debt({ lo: 1, hi: 2 }, 0)
          expect(debt).toBeGreaterThanOrEqual(before)
          before = debt
        }
        expect(before).toBeCloseTo(Math.max(...counts), 3)
      }),
    )
  })
})

test.each([
  ['all news told at once', 0],
  ['news kept back', 150],
])(
  'I2 each token is charged exactly once at every replica, under loss, duplication, reordering and partition: %s',
  (_how, quietTokens) => {
    const step = fc.record({
      replica: fc.constantFrom(...replicas),
      key: fc.constantFrom(...keys),
      cost: fc.integer({ min: 1, max: 50 }),
      waitMs: fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: 0, max: 120 }) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 3000 }) },
      ),
      /** From now on this replica is cut off in one direction, or both; or nobody is. */
      cut: fc.option(
        fc.record({
          replica: fc.constantFrom(...replicas),
          direction: fc.constantFrom('to', 'from', 'both', 'none'),
        }),
        { freq: 6, nil: undefined },
      ),
    })
    fc.assert(
      fc.property(seeds, fc.array(step, { minLength: 1, maxLength: 40 }), (seed, steps) => {
        const cluster = new Cluster({
          replicas,
          limits: [still],
          seed,
          delayMs: { min: 5, max: 150 },
          loss: 0.15,
          duplication: 0.15,
          quietPart: quietTokens / 3e6,
        })
        cluster.faults = false
        allInContact(cluster)
        cluster.faults = true
        const taken = new Map<string, number>()
        for (const { replica, key, cost, waitMs, cut } of steps) {
          if (cut) {
            const { replica: lone, direction } = cut
            cluster.connected = (from, to) =>
              direction === 'none' ||
              ((from !== lone || direction === 'to') && (to !== lone || direction === 'from'))
          }
          if (cluster.limiter(replica).take('api', key, cost).allowed)
            taken.set(key, (taken.get(key) ?? 0) + cost)
          cluster.advance(waitMs)
        }
        settled(cluster)
        for (const replica of replicas) {
          for (const [key, tokens] of taken) {
            const debt = debtOf(cluster, replica, key)
            expect(debt).toBeLessThanOrEqual(tokens + 1e-2)
            expect(debt).toBeGreaterThanOrEqual(tokens - (2 / 3) * quietTokens - 1e-2)
          }
        }
      }),
      { numRuns: 60 },
    )
  },
)

test('I2 tokens given back are given back exactly once everywhere', () => {
  fc.assert(
    fc.property(
      seeds,
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 }),
      (seed, gifts) => {
        const cluster = new Cluster({
          replicas,
          limits: [still],
          seed,
          delayMs: { min: 5, max: 150 },
          duplication: 0.3,
        })
        allInContact(cluster)
        cluster.limiter('us/0').take('api', 'alice', 1000)
        cluster.advance(500)
        for (const [index, tokens] of gifts.entries()) {
          cluster.limiter(replicas[index % 3]!).give('api', 'alice', tokens)
          cluster.advance(30)
        }
        settled(cluster)
        const left = 1000 - gifts.reduce((sum, tokens) => sum + tokens, 0)
        for (const replica of replicas) expect(debtOf(cluster, replica, 'alice')).toBeCloseTo(left, 2)
      },
    ),
    { numRuns: 30 },
  )
})

/** Replicas that come and go, links that fail in either direction, and takes all the while. */
function chaos(cluster: Cluster, all: readonly ReplicaId[]): void {
  const alive = new Set(all)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(cluster.random.next() * list.length)]!
  for (let i = 0; i < 100; i++) {
    const replica = pick(all)
    const what = cluster.random.next()
    if (what < 0.05) {
      cluster.kill(replica)
      alive.delete(replica)
    } else if (what < 0.15) {
      if (!alive.has(replica)) cluster.start(replica)
      alive.add(replica)
    } else if (what < 0.25) {
      const cut = new Set(
        all.flatMap((from) => all.map((to) => from + to)).filter(() => cluster.random.next() < 0.4),
      )
      cluster.connected = (from, to) => !cut.has(from + to)
    } else if (alive.has(replica)) {
      const [limiter, key] = [cluster.limiter(replica), pick(keys)]
      for (let n = cluster.random.next() * 40; n > 0; n--) limiter.take('api', key)
      if (what > 0.95) limiter.reset('api', key)
    }
    cluster.advance(Math.floor(cluster.random.next() * (cluster.random.next() < 0.1 ? 4000 : 150)))
  }
  for (const replica of all) if (!alive.has(replica)) cluster.start(replica)
}

test('I5 without traffic every bucket is full everywhere and forgotten, whatever happened, and starts anew', () => {
  const all = [...replicas, 'us/1']
  const perSec = 100
  const share = { capacity: 40, refillPerSec: perSec / 3 }
  const quick = pooled({ shares: Object.fromEntries(Object.keys(shares).map((region) => [region, share])) })
  const delayMs = { min: 5, max: 150 }
  fc.assert(
    fc.property(seeds, (seed) => {
      const cluster = new Cluster({
        replicas: all,
        limits: [quick],
        seed,
        delayMs,
        loss: 0.1,
        duplication: 0.1,
      })
      chaos(cluster, all)
      settled(cluster)
      for (const replica of all) {
        expect(
          cluster
            .limiter(replica)
            .peers()
            .map(({ inContact }) => inContact),
        ).toEqual([true, true, true])
        expect(cluster.limiter(replica).stats()[0]!.buckets).toBe(0)
      }
      for (const key of keys) cluster.limiter('us/1').take('api', key, 100)
      cluster.advance(batchIntervalMs + delayMs.max)
      for (const key of keys) {
        for (const replica of all) {
          expect(debtOf(cluster, replica, key)).toBeLessThanOrEqual(100)
          expect(debtOf(cluster, replica, key)).toBeGreaterThan(100 - perSec / 2)
        }
      }
    }),
    { numRuns: 30 },
  )
})

test("I6 what the machines' clocks show makes no difference to any decision", () => {
  const offsets = fc.tuple(fc.nat({ max: 2 ** 31 }), fc.nat({ max: 2 ** 31 }), fc.nat({ max: 2 ** 31 }))
  fc.assert(
    fc.property(seeds, offsets, (seed, offsetsMs) => {
      const run = (
        offsetOf: (replica: ReplicaId) => number,
        incarnationOf: (replica: ReplicaId) => number,
      ): string => {
        const cluster = new Cluster({
          replicas,
          limits: [pooled()],
          seed,
          delayMs: { min: 5, max: 110 },
          loss: 0.05,
          clockOffsetMs: offsetOf,
          incarnation: incarnationOf,
        })
        let decisions = ''
        for (let i = 0; i < 300; i++) {
          const replica = replicas[Math.floor(cluster.random.next() * 3)]!
          decisions += cluster.limiter(replica).take('api', 'alice', 20).allowed ? '1' : '0'
          cluster.advance(20)
        }
        return decisions
      }
      const same = run(
        () => 0,
        () => 1,
      )
      // Whole seconds, so that sums of floats round alike.
      expect(
        run(
          (r) => Math.floor(offsetsMs[replicas.indexOf(r)]! / 1000) * 1000,
          (r) => offsetsMs[replicas.indexOf(r)]!,
        ),
      ).toBe(same)
      expect(same).toMatch(/1.*0/)
    }),
    { numRuns: 15 },
  )
})

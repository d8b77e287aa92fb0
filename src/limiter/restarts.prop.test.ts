import fc from 'fast-check'
import { expect, test } from 'vitest'
import { regionOf, type ReplicaId } from '../replication/transport.ts'
import {
  replicas,
  shares,
  wholeCapacity,
  wholeRefill,
  pooled,
  still,
  seeds,
  debtOf,
  allInContact,
} from './three-regions.testing.ts'
import { batchIntervalMs, Cluster } from '../../sim/cluster.ts'

test('I7 a replica that restarts counts nothing anew, and takes over what is owed', () => {
  const restarts = fc.array(
    fc.record({
      replica: fc.constantFrom(...replicas),
      goneMs: fc.integer({ min: 0, max: 3000 }),
      /** Runs for so long before it hears, or is heard by, anybody. */
      aloneMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3000 })),
    }),
    { minLength: 1, maxLength: 4 },
  )
  fc.assert(
    fc.property(seeds, restarts, (seed, list) => {
      const cluster = new Cluster({
        replicas,
        limits: [still],
        seed,
        delayMs: { min: 5, max: 110 },
        duplication: 0.2,
      })
      allInContact(cluster)
      for (const replica of replicas) cluster.limiter(replica).take('api', 'alice', 100)
      cluster.advance(500)
      let owed = 300
      for (const { replica, goneMs, aloneMs } of list) {
        cluster.kill(replica)
        cluster.advance(goneMs)
        cluster.start(replica)
        cluster.connected = (from, to) => from !== replica && to !== replica
        cluster.advance(aloneMs)
        cluster.connected = () => true
        allInContact(cluster)
        for (const each of replicas) expect(debtOf(cluster, each, 'alice')).toBeCloseTo(owed, 2)
        cluster.limiter(replica).take('api', 'alice', 7)
        owed += 7
        cluster.advance(500)
        for (const each of replicas) expect(debtOf(cluster, each, 'alice')).toBeCloseTo(owed, 2)
      }
    }),
    { numRuns: 150 },
  )
})

test('I7 a replica that starts cut off from some charges nothing twice when it hears them, and lends no more than it took alone', () => {
  const heardAfterMs = fc.integer({ min: 0, max: 4000 })
  const cost = fc.integer({ min: 0, max: 200 })
  fc.assert(
    fc.property(
      seeds,
      fc.tuple(heardAfterMs, heardAfterMs),
      fc.tuple(cost, cost),
      (seed, [euMs, apMs], [byRestarted, byOther]) => {
        const cluster = new Cluster({ replicas, limits: [still], seed, delayMs: { min: 5, max: 110 } })
        allInContact(cluster)
        for (const replica of replicas) cluster.limiter(replica).take('api', 'alice', 100)
        cluster.advance(500)
        cluster.start('us/0')
        const startMs = cluster.nowMs
        const joinsAtMs = { 'eu/0': startMs + euMs, 'ap/0': startMs + apMs, 'us/0': 0 } as Record<
          ReplicaId,
          number
        >
        cluster.connected = (from, to) =>
          (from !== 'us/0' && to !== 'us/0') || cluster.nowMs >= Math.max(joinsAtMs[from]!, joinsAtMs[to]!)
        if (byRestarted > 0) cluster.limiter('us/0').take('api', 'alice', byRestarted)
        if (byOther > 0) cluster.limiter('ap/0').take('api', 'alice', byOther)
        cluster.advance(8000)
        allInContact(cluster)
        const owed = 300 + byRestarted + byOther
        for (const each of ['eu/0', 'ap/0']) expect(debtOf(cluster, each, 'alice')).toBeCloseTo(owed, 2)
        expect(debtOf(cluster, 'us/0', 'alice')).toBeLessThanOrEqual(owed + 0.01)
        expect(debtOf(cluster, 'us/0', 'alice')).toBeGreaterThanOrEqual(owed - byRestarted - 0.01)
      },
    ),
    { numRuns: 40 },
  )
})

test('I7 a restart is no way to a full bucket: it gives its own share at most', () => {
  fc.assert(
    fc.property(seeds, fc.constantFrom(...replicas), (seed, restarted) => {
      const cluster = new Cluster({
        replicas,
        limits: [pooled()],
        seed,
        delayMs: { min: 5, max: 110 },
      })
      allInContact(cluster)
      cluster.limiter('us/0').take('api', 'alice', wholeCapacity)
      cluster.advance(500)
      cluster.kill(restarted)
      cluster.start(restarted)
      const startMs = cluster.nowMs
      let admitted = 0
      while (cluster.nowMs < startMs + 5000) {
        while (cluster.limiter(restarted).take('api', 'alice').allowed) admitted++
        cluster.advance(10)
      }
      expect(admitted).toBeGreaterThan(0)
      expect(admitted).toBeLessThanOrEqual(shares[regionOf(restarted)]!.capacity + wholeRefill * 6)
    }),
    { numRuns: 15 },
  )
})

test('I7 a replica that joins late takes over what is owed', () => {
  const late = [...replicas, 'us/1']
  const cluster = new Cluster({ replicas, limits: [still], seed: 5, delayMs: { min: 5, max: 110 } })
  allInContact(cluster)
  for (const replica of replicas) cluster.limiter(replica).take('api', 'alice', 100)
  cluster.advance(1000)
  cluster.start('us/1')
  cluster.advance(3000)
  for (const replica of late) expect(debtOf(cluster, replica, 'alice')).toBeCloseTo(300, 2)
  expect(cluster.limiter('us/1').regionsInContact.size).toBe(3)
})

test('I7 a region that comes back cold and hears nobody knows what was owed, and gives its part of the rest', () => {
  fc.assert(
    fc.property(
      seeds,
      fc.integer({ min: 0, max: wholeCapacity }),
      fc.integer({ min: 0, max: 20_000 }),
      (seed, taken, goneMs) => {
        const cluster = new Cluster({
          replicas,
          limits: [pooled()],
          seed,
          delayMs: { min: 5, max: 110 },
          snapshotIntervalMs: 500,
        })
        allInContact(cluster)
        let admitted = 0
        const ask = (replica: ReplicaId, most: number): void => {
          while (admitted < most && cluster.limiter(replica).take('api', 'alice').allowed) admitted++
        }
        ask('eu/0', taken)
        cluster.advance(2000)
        for (const replica of replicas) cluster.kill(replica)
        cluster.advance(goneMs)
        cluster.connected = () => false
        for (const replica of replicas) cluster.start(replica)
        for (const replica of replicas) ask(replica, Number.POSITIVE_INFINITY)
        const refilled = (wholeRefill * (2000 + goneMs)) / 1000
        expect(admitted).toBeLessThanOrEqual(wholeCapacity + Math.min(taken, refilled) + 1)
        // Of each region's part one token or less is left over; and what was taken refills at the others only once it is heard of.
        const unheard = (wholeRefill * (batchIntervalMs + 110)) / 1000
        expect(admitted).toBeGreaterThanOrEqual(wholeCapacity + Math.min(taken, refilled) - 3 - unheard)
      },
    ),
    { numRuns: 40 },
  )
})

test('I3 a strict replica that ends in good order comes back with what it had, at once', () => {
  fc.assert(
    fc.property(seeds, fc.integer({ min: 0, max: 200 }), (seed, taken) => {
      const cluster = new Cluster({
        replicas,
        limits: [pooled({ mode: 'strict' })],
        seed,
        delayMs: { min: 5, max: 110 },
        snapshotIntervalMs: 500,
      })
      allInContact(cluster)
      for (let n = 0; n < taken; n++) expect(cluster.limiter('us/0').take('api', 'alice').allowed).toBe(true)
      cluster.advance(500)
      const { remaining } = cluster.limiter('us/0').peek('api', 'alice').state
      cluster.retire('us/0')
      // No longer than its leases run.
      cluster.advance(3500)
      expect(cluster.running()).not.toContain('us/0')
      cluster.connected = () => false
      cluster.start('us/0')
      const after = cluster.limiter('us/0').peek('api', 'alice').state.remaining
      expect(Math.abs(after - Math.min(remaining, shares['us']!.capacity))).toBeLessThanOrEqual(
        3.5 * wholeRefill,
      )
      expect(cluster.limiter('us/0').peek('api', 'bob').state.remaining).toBe(shares['us']!.capacity)
      cluster.kill('us/0')
      cluster.start('us/0')
      expect(cluster.limiter('us/0').peek('api', 'bob').state.remaining).toBe(0)
    }),
    { numRuns: 40 },
  )
})

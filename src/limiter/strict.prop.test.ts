import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CentralBucket } from '../../sim/central-bucket.ts'
import { Cluster, batchIntervalMs } from '../../sim/cluster.ts'
import { InProcessNetwork } from '../replication/in-process.ts'
import type { ReplicaId } from '../replication/transport.ts'
import { CoarseClock } from './coarse-clock.ts'
import { Limiter } from './limiter.ts'
import { keys, replicas, seeds } from './three-regions.testing.ts'
import type { LimitSpec, Shares } from './types.ts'

const shares: Shares = {
  us: { capacity: 50, refillPerSec: 12 },
  eu: { capacity: 40, refillPerSec: 8 },
  ap: { capacity: 30, refillPerSec: 10 },
}
const whole = { capacity: 120, refillPerSec: 30 }
const strict: LimitSpec = { name: 'api', mode: 'strict', shares, overrides: [], bucketsMax: 1000 }
const members: readonly ReplicaId[] = [...replicas, 'us/1']
/** Sums of 32-bit floats are a little off. */
const roundingTokens = 0.01

/** Counts what is admitted against one bucket that hears of everything at once. */
class Truth {
  readonly #buckets = new Map(keys.map((key) => [key, new CentralBucket(whole)]))
  worstOver = 0
  admitted = 0

  take(cluster: Cluster, replica: ReplicaId, key: string, cost: number): boolean {
    if (!cluster.isServing(replica) || !cluster.limiter(replica).take('api', key, cost).allowed) return false
    this.worstOver = Math.max(this.worstOver, this.#buckets.get(key)!.charge(cluster.nowMs, cost))
    this.admitted += cost
    return true
  }
}

/** Replicas that crash, stall and come back with nothing, links that fail in either direction, and bursts all the while. */
function chaos(cluster: Cluster, truth: Truth): void {
  const { random } = cluster
  for (let i = 0; i < 150; i++) {
    const replica = random.pick(members)
    const what = random.next()
    if (what < 0.03) cluster.kill(replica)
    else if (what < 0.08) cluster.start(replica)
    else if (what < 0.11) cluster.stall(replica, random.whole(0, 4000))
    else if (what < 0.18) {
      const cut = new Set(
        members.flatMap((from) => members.map((to) => from + to)).filter(() => random.chance(0.3)),
      )
      cluster.connected = (from, to) => !cut.has(from + to)
    } else if (what < 0.24) {
      cluster.connected = () => true
    } else if (cluster.running().includes(replica)) {
      const key = random.pick(keys)
      const cost = random.whole(1, 5)
      for (let n = random.whole(0, 60); n > 0; n--) {
        truth.take(cluster, replica, key, cost)
        cluster.advance(random.whole(0, 20))
      }
    }
    cluster.advance(random.chance(0.05) ? 5000 : random.whole(0, 150))
  }
}

test('I3 strict admits at most C + R·w in any window, under loss, duplication, reordering, partition, crash and stall', () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const cluster = new Cluster({
        replicas: members,
        limits: [strict],
        seed,
        delayMs: { min: 5, max: 250 },
        loss: 0.1,
        duplication: 0.2,
        clockOffsetMs: (replica) => replica.length * 2 ** 31,
      })
      const truth = new Truth()
      chaos(cluster, truth)
      expect(truth.admitted).toBeGreaterThan(whole.capacity)
      expect(truth.worstOver).toBeLessThanOrEqual(roundingTokens)
    }),
    { numRuns: 30 },
  )
})

test('I3 strict: a lender that crashes and comes back empty-handed does not spend what it has leased out', () => {
  const cluster = new Cluster({ replicas, limits: [strict], seed: 3, delayMs: { min: 5, max: 50 } })
  const truth = new Truth()
  cluster.advance(2000)
  for (let ms = 0; ms < 2000; ms += 10) {
    truth.take(cluster, 'us/0', 'alice', 1)
    cluster.advance(10)
  }
  cluster.connected = (from, to) => from !== 'eu/0' && to !== 'eu/0'
  cluster.start('eu/0')
  for (let ms = 0; ms < 6000; ms += 10) {
    truth.take(cluster, 'us/0', 'alice', 1)
    truth.take(cluster, 'eu/0', 'alice', 1)
    cluster.advance(10)
  }
  expect(truth.worstOver).toBeLessThanOrEqual(roundingTokens)
})

test('strict: a region that asks alone gets nearly all of the limit, and idle buckets are forgotten once nobody remembers', () => {
  const cluster = new Cluster({ replicas, limits: [strict], seed: 7, delayMs: { min: 5, max: 50 } })
  const truth = new Truth()
  cluster.advance(2000)
  for (let ms = 0; ms < 20_000; ms += 10) {
    truth.take(cluster, 'ap/0', 'alice', 1)
    cluster.advance(10)
  }
  expect(truth.admitted).toBeGreaterThan(0.95 * (whole.capacity + 20 * whole.refillPerSec))
  cluster.advance(900_000)
  for (const replica of replicas) {
    expect(cluster.limiter(replica).stats()[0]!.buckets).toBe(0)
    expect(cluster.limiter(replica).peek('api', 'alice').state.remaining).toBe(
      shares[replica.slice(0, 2)]!.capacity,
    )
  }
})

test('strict: what one region holds is given back when another needs it, mostly within a second', () => {
  const gains = Array.from({ length: 9 }, (_, seed) => {
    const cluster = new Cluster({ replicas, limits: [strict], seed, delayMs: { min: 5, max: 110 } })
    const truth = new Truth()
    cluster.advance(2000)
    for (let ms = 0; ms < 10_000; ms += 10) {
      truth.take(cluster, 'us/0', 'alice', 1)
      cluster.advance(10)
    }
    cluster.advance(10_000)
    const before = truth.admitted
    for (let ms = 0; ms < 1000; ms += 5) {
      truth.take(cluster, 'eu/0', 'alice', 1)
      cluster.advance(5)
    }
    return truth.admitted - before
  })
  expect(gains.toSorted((a, b) => a - b)[4]).toBeGreaterThan(0.9 * whole.capacity)
})

test('strict: several replicas of a region share its share', () => {
  const cluster = new Cluster({
    replicas: ['us/0', 'us/1'],
    limits: [strict],
    seed: 11,
    delayMs: { min: 1, max: 3 },
  })
  const truth = new Truth()
  cluster.advance(3000)
  for (let ms = 0; ms < 20_000; ms += 10) {
    truth.take(cluster, 'us/1', 'alice', 1)
    cluster.advance(10)
  }
  // Of the other regions nobody is there: their shares stay unused.
  expect(truth.admitted).toBeGreaterThan(0.9 * (shares['us']!.capacity + 20 * shares['us']!.refillPerSec))
  expect(truth.admitted).toBeLessThanOrEqual(shares['us']!.capacity + 20 * shares['us']!.refillPerSec)
})

test('strict: at the bound a full bucket makes room, and without one a new key is refused', () => {
  const few: LimitSpec = { ...strict, bucketsMax: 10 }
  const cluster = new Cluster({ replicas: ['us/0'], limits: [few], seed: 1, delayMs: { min: 1, max: 1 } })
  const limiter = cluster.limiter('us/0')
  for (let n = 0; n < 10; n++) expect(limiter.take('api', `user${n}`, 5).allowed).toBe(true)
  expect(limiter.take('api', 'late').allowed).toBe(false)
  cluster.advance(1000 + batchIntervalMs)
  expect(limiter.take('api', 'late').allowed).toBe(true)
  expect(limiter.stats()[0]).toMatchObject({ evictedInUse: 0, takesRefused: 1 })
})

test('I3 a strict take goes by the time at that moment, not by a reading from before the process was stopped', () => {
  const network = new InProcessNetwork({ delayMs: () => 0, schedule: () => {} })
  const own = { capacity: 10, refillPerSec: 10 }
  let realMs = 0
  const clock = new CoarseClock(() => realMs)
  const limiter = new Limiter({
    transport: network.connect('us/0'),
    limits: [{ name: 'api', mode: 'strict', shares: { us: own }, overrides: [], bucketsMax: 10 }],
    hashKey: { lo: 1, hi: 2 },
    incarnation: 1,
    contactTimeoutMs: 600,
    startsFresh: true,
    nowMs: () => clock.nowMs(),
    exactNowMs: () => clock.exactMs(),
  })
  expect(limiter.take('api', 'alice', 10).allowed).toBe(true)
  realMs = 1000
  expect(limiter.take('api', 'alice', 10).allowed).toBe(true)
})

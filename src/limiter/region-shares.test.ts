import { expect, test } from 'vitest'
import { Cluster, contactTimeoutMs } from '../../sim/cluster.ts'
import {
  allInContact,
  pooled,
  replicas,
  shares,
  wholeCapacity,
  wholeRefill,
} from './three-regions.testing.ts'

const isolates = (from: string, to: string): boolean => (from === 'ap/0') !== (to === 'ap/0')

function spent(): Cluster {
  const cluster = new Cluster({ replicas, limits: [pooled()], seed: 1, delayMs: { min: 10, max: 10 } })
  allInContact(cluster)
  expect(cluster.limiter('us/0').take('api', 'alice', wholeCapacity).allowed).toBe(true)
  cluster.advance(200)
  return cluster
}

/** Cut in two for so long that both sides hold back, and count each other still. */
function spentAndCut(): Cluster {
  const cluster = spent()
  cluster.connected = (from, to) => !isolates(from, to)
  cluster.advance(contactTimeoutMs / 3 + 120)
  for (const replica of replicas) expect(cluster.limiter(replica).regionsInContact.size).toBe(3)
  return cluster
}

/** Tokens that a replica's view of the bucket refills in a while. */
function refilled(cluster: Cluster, replica: string, ms: number): number {
  const debt = (): number => cluster.limiter(replica).peek('api', 'alice').state.debt
  const before = debt()
  cluster.advance(ms)
  return before - debt()
}

test('I4 what a silent region refills is held back, on both sides, before it is out of contact', () => {
  const whileMs = contactTimeoutMs / 4
  const own = (region: string): number => (shares[region]!.refillPerSec * whileMs) / 1000
  expect(refilled(spentAndCut(), 'us/0', whileMs)).toBeCloseTo(own('us') + own('eu'), 3)
  expect(refilled(spentAndCut(), 'ap/0', whileMs)).toBeCloseTo(own('ap'), 3)
})

test('when it is heard again in time, all of it is there', () => {
  const cluster = spent()
  cluster.connected = (from, to) => !isolates(from, to)
  const silentMs = contactTimeoutMs * 0.8
  const held = refilled(cluster, 'ap/0', silentMs)
  cluster.connected = () => true
  const after = refilled(cluster, 'ap/0', 200)
  expect(held).toBeLessThan((wholeRefill * silentMs) / 1000)
  expect(held + after).toBeCloseTo((wholeRefill * (silentMs + 200)) / 1000, 3)
})

test('other replicas of the own region may be silent: its refill is never held back', () => {
  const cluster = new Cluster({
    replicas: ['us/0', 'us/1'],
    limits: [pooled({ shares: { us: { capacity: 100, refillPerSec: 10 } } })],
    seed: 1,
    delayMs: { min: 10, max: 10 },
  })
  cluster.advance(2000)
  expect(cluster.limiter('us/0').take('api', 'alice', 100).allowed).toBe(true)
  cluster.kill('us/1')
  cluster.advance(300)
  expect(refilled(cluster, 'us/0', 1000)).toBeCloseTo(10, 3)
})

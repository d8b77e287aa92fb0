import { expect, test } from 'vitest'
import { Cluster } from '../../sim/cluster.ts'
import type { LimitMode } from './types.ts'

/** Names that every object answers to. */
const inherited = ['constructor', 'toString', '__proto__', 'valueOf', 'hasOwnProperty']

test.each<LimitMode>(['pooled', 'strict'])(
  'replicas named like properties of every object change nothing of a %s limit, whether they come or go',
  (mode) => {
    const hostile = inherited.map((name) => `${name}/0` as const)
    const share = { capacity: 1000, refillPerSec: 0.001 }
    const cluster = new Cluster({
      replicas: ['us/0', 'eu/0'],
      limits: [{ name: 'api', mode, shares: { us: share, eu: share }, overrides: [], bucketsMax: 1000 }],
      seed: 7,
      delayMs: { min: 40, max: 40 },
    })
    cluster.advance(6000)
    const us = cluster.limiter('us/0')
    while (us.take('api', 'alice', 100).allowed) cluster.advance(500)
    const owed = us.peek('api', 'alice').state.debt
    expect(owed).toBeGreaterThan(1000)
    cluster.kill('eu/0')
    for (let round = 0; round < 2; round++) {
      for (const replica of hostile) cluster.start(replica)
      cluster.advance(6000)
      for (const replica of hostile) cluster.kill(replica)
      cluster.advance(6000)
    }
    for (const replica of hostile) cluster.start(replica)
    cluster.start('eu/0')
    cluster.advance(6000)
    expect(us.regionsInContact.size).toBe(2 + inherited.length)
    const { debt, capacity } = us.peek('api', 'alice').state
    expect(debt / owed).toBeCloseTo(1, 1)
    expect(capacity).toBe(2000)
    expect(us.take('api', 'alice', 1000).allowed).toBe(false)
  },
)

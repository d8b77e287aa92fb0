import fc from 'fast-check'
import { expect } from 'vitest'
import type { ReplicaId } from '../replication/transport.ts'
import type { LimitSpec, Shares } from './types.ts'
import type { Cluster } from '../../sim/cluster.ts'

export const replicas: readonly ReplicaId[] = ['us/0', 'eu/0', 'ap/0']
export const shares: Shares = {
  us: { capacity: 500, refillPerSec: 10 },
  eu: { capacity: 400, refillPerSec: 8 },
  ap: { capacity: 300, refillPerSec: 6 },
}
export const wholeCapacity = 1200
export const wholeRefill = 24
export const pooled = (own: Partial<LimitSpec> = {}): LimitSpec => ({
  name: 'api',
  mode: 'pooled',
  shares,
  overrides: [],
  bucketsMax: 10_000,
  ...own,
})
/** Next to nothing refills: what was charged stays visible. */
export const still = pooled({
  shares: Object.fromEntries(Object.keys(shares).map((r) => [r, { capacity: 1e6, refillPerSec: 1e-9 }])),
})
export const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 })
export const keys = ['alice', 'bob', 'carol']

export const debtOf = (cluster: Cluster, replica: ReplicaId, key: string): number =>
  cluster.limiter(replica).peek('api', key).state.debt

export const settled = (cluster: Cluster): void => {
  cluster.faults = false
  cluster.connected = () => true
  cluster.advance(20_000)
}

export const allInContact = (cluster: Cluster): void => {
  cluster.advance(3000)
  for (const replica of replicas) expect(cluster.limiter(replica).regionsInContact.size).toBe(3)
}

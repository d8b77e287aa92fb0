import { expect } from 'vitest'
import type { CounterEntry } from './merge-rules.ts'
import { PooledBuckets } from './pooled-buckets.ts'

export const alice = { lo: 1, hi: 2 }
export const idleMs = 1800

export function table(
  own: { bucketsMax?: number; refillPerSec?: number; quietPart?: number } = {},
): PooledBuckets {
  const { bucketsMax = 100, refillPerSec = 1e-9, quietPart = 0 } = own
  const made = new PooledBuckets(7, {
    limit: 'api',
    capacity: 1000,
    refillPerSec,
    bucketsMax,
    idleMs,
    quietPart,
    nowMs: 0,
  })
  made.setReplicas(3)
  return made
}

/** What a replica tells that took `taken` in its first generation, and owes that much, unless said otherwise. */
export function news(own: Partial<CounterEntry> & { taken: number }): CounterEntry {
  return { ...alice, generation: 1, returned: 0, ownDebt: own.taken, debt: Number.NaN, ...own }
}

export function drained(buckets: PooledBuckets, nowMs = 0): CounterEntry[] {
  const entries: CounterEntry[] = []
  buckets.drainChanged(1000, nowMs, (entry) => entries.push(entry))
  return entries
}

export function live(buckets: PooledBuckets, nowMs = 0): CounterEntry[] {
  const entries: CounterEntry[] = []
  const end = buckets.scanLive({ from: 0, entriesMax: 1000, rowsMax: 1000 }, nowMs, (entry) =>
    entries.push(entry),
  )
  expect(end).toBe(-1)
  return entries
}

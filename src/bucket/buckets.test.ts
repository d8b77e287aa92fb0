import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Buckets, type BucketsOptions } from './buckets.ts'
import { PooledBuckets } from './pooled-buckets.ts'

const options = (own: Partial<BucketsOptions> = {}): BucketsOptions => ({
  limit: 'api',
  capacity: 10,
  refillPerSec: 2,
  bucketsMax: 1000,
  idleMs: 1000,
  nowMs: 0,
  ...own,
})
const alice = { lo: 1, hi: 2 }
const key = (n: number): { lo: number; hi: number } => ({ lo: n * 7, hi: n })

const kinds = [
  ['local', (own?: Partial<BucketsOptions>) => new Buckets(options(own))],
  ['pooled', (own?: Partial<BucketsOptions>) => new PooledBuckets(1, options(own))],
] as const

describe.each(kinds)('%s', (_name, make) => {
  test('a bucket admits its capacity at once, then what refills', () => {
    const buckets = make()
    expect(buckets.take(alice, 10, 0)).toMatchObject({
      allowed: true,
      remaining: 0,
      resetMs: 5000,
      retryAfterMs: 0,
    })
    expect(buckets.take(alice, 1, 0)).toMatchObject({ allowed: false, remaining: 0, retryAfterMs: 500 })
    expect(buckets.take(alice, 1, 499)).toMatchObject({ allowed: false })
    expect(buckets.take(alice, 1, 500)).toMatchObject({ allowed: true })
    expect(buckets.state(alice, 100_000)).toMatchObject({ remaining: 10, resetMs: 0 })
  })

  test('it decides as a token bucket that is written down plainly', () => {
    const step = fc.record({
      kind: fc.constantFrom('take', 'take', 'take', 'give', 'share'),
      tokens: fc.integer({ min: 1, max: 10 }),
      waitMs: fc.integer({ min: 0, max: 3000 }),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const buckets = make()
        let [level, capacity, perSec, nowMs] = [10, 10, 2, 0]
        for (const { kind, tokens, waitMs } of steps) {
          nowMs += waitMs
          level = Math.max(level, Math.min(capacity, level + (perSec * waitMs) / 1000))
          if (kind === 'share') {
            // What is owed stays.
            level += tokens - capacity
            ;[capacity, perSec] = [tokens, tokens / 4]
            buckets.setShare({ capacity, refillPerSec: perSec }, nowMs)
          } else if (kind === 'give') {
            buckets.give(alice, tokens, nowMs)
            level = Math.max(level, Math.min(capacity, level + tokens))
          } else {
            // Ties are decided by rounding.
            fc.pre(Math.abs(level - tokens) > 1e-5 || level === tokens)
            const { allowed } = buckets.take(alice, tokens, nowMs)
            expect(allowed).toBe(level >= tokens)
            if (allowed) level -= tokens
          }
          expect(capacity - buckets.debt(alice, nowMs)).toBeCloseTo(level, 4)
        }
      }),
    )
  })

  test('retryAfterMs is exact', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 10 }), (first, second) => {
        const buckets = make()
        buckets.take(alice, first, 0)
        const { allowed, retryAfterMs } = buckets.take(alice, second, 0)
        fc.pre(!allowed)
        expect(buckets.take(alice, second, retryAfterMs - 0.01).allowed).toBe(false)
        expect(buckets.take(alice, second, retryAfterMs).allowed).toBe(true)
      }),
    )
  })

  test('a refused take changes nothing', () => {
    const buckets = make()
    buckets.take(alice, 8, 0)
    buckets.take(alice, 5, 0)
    expect(buckets.debt(alice, 0)).toBe(8)
    expect([buckets.tokensTaken, buckets.takesAllowed, buckets.takesRefused]).toEqual([8, 1, 1])
  })

  test('giving back never fills beyond full, and answers what it gave', () => {
    const buckets = make()
    expect(buckets.give(alice, 3, 0)).toBe(0)
    buckets.take(alice, 5, 0)
    expect(buckets.give(alice, 3, 0)).toBe(3)
    expect(buckets.give(alice, 3, 0)).toBe(2)
    buckets.take(alice, 7, 0)
    buckets.reset(alice, 0)
    expect(buckets.debt(alice, 0)).toBe(0)
  })

  test('at the bound a full bucket goes first', () => {
    const buckets = make({ bucketsMax: 3 })
    buckets.take(key(1), 9, 0)
    buckets.take(key(2), 1, 0)
    buckets.take(key(3), 9, 0)
    // Sent, as far as there is anybody to send to: news goes last.
    if (buckets instanceof PooledBuckets) buckets.drainChanged(10, 600, () => {})
    buckets.take(key(4), 1, 600)
    expect([buckets.evictedFull, buckets.evictedInUse]).toEqual([1, 0])
    expect(buckets.debt(key(1), 600)).toBeCloseTo(7.8)
    expect(buckets.debt(key(3), 600)).toBeCloseTo(7.8)
  })

  test('at the bound, with none full, the one that owes least goes, and nobody gets an error', () => {
    const buckets = make({ bucketsMax: 3 })
    for (const [n, cost] of [
      [1, 9],
      [2, 3],
      [3, 9],
      [4, 9],
    ] as const) {
      expect(buckets.take(key(n), cost, 0).allowed).toBe(true)
    }
    expect([buckets.size, buckets.evictedFull, buckets.evictedInUse]).toEqual([3, 0, 1])
    expect(buckets.debt(key(2), 0)).toBe(0)
    const one = make({ bucketsMax: 1 })
    for (let n = 0; n < 50; n++) expect(one.take(key(n), 1, 0).allowed).toBe(true)
    expect(one.size).toBe(1)
  })

  test('sweeping goes on where it stopped, sums up what is owed, and forgets who was idle', () => {
    const buckets = make()
    for (let n = 0; n < 100; n++) buckets.take(key(n), n < 30 ? 1 : 5, 0)
    if (buckets instanceof PooledBuckets) buckets.drainChanged(1000, 0, () => {})
    buckets.sweep(60, 0)
    expect(buckets.totals).toEqual({ inUse: 0, capacity: 0, debt: 0 })
    buckets.sweep(60, 0)
    expect(buckets.totals).toEqual({ inUse: 100, capacity: 1000, debt: 30 + 350 })
    buckets.sweep(1000, 1600)
    expect(buckets.size).toBe(70)
    expect(buckets.totals.inUse).toBe(70)
  })
})

test('a share of nothing refuses everything, and says when to ask again', () => {
  const buckets = new Buckets(options({ capacity: 0, refillPerSec: 0 }))
  expect(buckets.take(alice, 1, 0)).toMatchObject({ allowed: false, remaining: 0, retryAfterMs: 60_000 })
})

test('a cost that fits no full bucket while regions are out of contact is told to ask again later, not in a moment', () => {
  const buckets = new Buckets(options({ capacity: 10, refillPerSec: 2 }))
  buckets.setShare({ capacity: 4, refillPerSec: 1 }, 0)
  expect(buckets.take(alice, 5, 0)).toMatchObject({ allowed: false, retryAfterMs: 60_000 })
  expect(buckets.take(alice, 4, 60_000).allowed).toBe(true)
})

test('a bucket with news that was not sent is evicted last', () => {
  const buckets = new PooledBuckets(1, options({ bucketsMax: 2 }))
  buckets.take(key(1), 5, 0)
  buckets.drainChanged(10, 0, () => {})
  buckets.take(key(2), 1, 0)
  buckets.take(key(3), 1, 0)
  expect(buckets.debt(key(2), 0)).toBe(1)
  expect(buckets.debt(key(1), 0)).toBe(0)
})

test('a bucket with news that was not sent is not forgotten, however long it is full', () => {
  const buckets = new PooledBuckets(1, options())
  buckets.take(key(1), 5, 0)
  buckets.sweep(10, 100_000)
  expect(buckets.size).toBe(1)
  buckets.drainChanged(10, 100_000, () => {})
  buckets.sweep(10, 100_000)
  expect(buckets.size).toBe(0)
})

import { describe, expect, test } from 'vitest'
import type { CounterEntry } from './merge-rules.ts'
import { PooledBuckets } from './pooled-buckets.ts'
import { alice, drained, idleMs, live, news, table } from './pooled-buckets.testing.ts'

describe('news is kept back', () => {
  const quiet = (refillPerSec = 1e-9): PooledBuckets => table({ quietPart: 0.3, refillPerSec })

  test('up to the part of the quiet part that is this replica’s, of three', () => {
    const buckets = quiet()
    buckets.take(alice, 60, 0)
    buckets.take(alice, 40, 0)
    expect(drained(buckets)).toEqual([])
    buckets.take(alice, 1, 0)
    expect(drained(buckets)).toMatchObject([{ taken: 101 }])
  })

  test('and refilled by its part of the refill only, since others may keep back as much', () => {
    const buckets = quiet(300)
    buckets.take(alice, 90, 0)
    buckets.beginInterval(2)
    // A third of what the bucket refilled; the bucket itself is full again.
    buckets.take(alice, 40, 300)
    expect(drained(buckets, 300)).toEqual([])
    buckets.take(alice, 1, 300)
    expect(drained(buckets, 300)).toMatchObject([{ taken: 101 }])
    // What is told is owed here too.
    expect(buckets.debt(alice, 300)).toBeCloseTo(101)
  })

  test('and refilled only while nothing is owed that all know of: the refill pays that first', () => {
    const buckets = quiet(300)
    buckets.take(alice, 60, 0)
    buckets.merge(1, news({ taken: 200 }), 'exact', 0)
    buckets.take(alice, 40, 600)
    expect(drained(buckets, 600)).toEqual([])
    buckets.take(alice, 1, 600)
    expect(drained(buckets, 600)).toMatchObject([{ taken: 101 }])
  })

  test('as long as it is not refilled, even if the bucket itself is full', () => {
    const buckets = quiet(30)
    buckets.take(alice, 90, 0)
    const refilledMs = (90 / 10) * 1000
    buckets.sweep(100, refilledMs - 1)
    expect(buckets.size).toBe(1)
    buckets.sweep(100, refilledMs)
    expect(buckets.size).toBe(0)
  })

  test('and counted on from what was told before, which may be lost on the way', () => {
    const buckets = quiet()
    buckets.take(alice, 101, 0)
    expect(drained(buckets)).toMatchObject([{ generation: 1, taken: 101 }])
    buckets.beginInterval(2)
    buckets.take(alice, 50, 0)
    expect(drained(buckets)).toEqual([])
    buckets.take(alice, 51, 0)
    expect(drained(buckets)).toMatchObject([{ generation: 1, taken: 202 }])
  })

  test('and begins anew once others may have forgotten what they were told', () => {
    const [buckets, other] = [quiet(300), table({ refillPerSec: 300 })]
    const tell = (nowMs: number): void => {
      for (const entry of drained(buckets, nowMs)) other.merge(1, entry, 'exact', nowMs)
    }
    buckets.take(alice, 101, 0)
    tell(0)
    expect(other.debt(alice, 0)).toBe(101)
    for (let nowMs = 600; nowMs <= 6000; nowMs += 300) {
      buckets.beginInterval(nowMs)
      buckets.take(alice, 30, nowMs)
      expect(drained(buckets, nowMs)).toEqual([])
      other.sweep(100, nowMs)
    }
    expect(other.size).toBe(0)
    buckets.take(alice, 200, 6000)
    tell(6000)
    expect(other.debt(alice, 6000)).toBe(230)
    expect(buckets.debt(alice, 6000)).toBeCloseTo(230)
  })

  test('but not while what was told before may be under way, which would come too late then', () => {
    const buckets = quiet(300)
    buckets.take(alice, 101, 0)
    expect(drained(buckets)).toMatchObject([{ generation: 1, taken: 101 }])
    buckets.beginInterval(2)
    buckets.take(alice, 50, 400)
    buckets.take(alice, 60, 450)
    expect(drained(buckets, 450)).toMatchObject([{ generation: 1, taken: 101 + 45 + 60 }])
  })

  test('as all the sender’s own, however much of the debt others had', () => {
    const buckets = quiet(300)
    buckets.take(alice, 60, 0)
    buckets.merge(1, news({ taken: 200 }), 'exact', 0)
    buckets.take(alice, 41, 500)
    const [entry] = drained(buckets, 500)
    expect(entry!.taken).toBe(101)
    expect(entry!.ownDebt).toBeCloseTo(101)
  })

  test('and all that is taken is told, however much that is', () => {
    const [capacity, nowMs] = [4e6, 0]
    const options = {
      limit: 'api',
      capacity,
      refillPerSec: 1,
      bucketsMax: 10,
      idleMs,
      quietPart: 1 / 16,
      nowMs,
    }
    const buckets = new PooledBuckets(1, options)
    buckets.take(alice, 1, nowMs)
    buckets.take(alice, capacity - 1, nowMs)
    expect(drained(buckets)).toMatchObject([{ taken: capacity }])
  })

  test('and what all know of stays exact meanwhile, however often', () => {
    const buckets = quiet(300)
    buckets.take(alice, 60, 0)
    buckets.merge(1, news({ taken: 200 }), 'exact', 100)
    for (const tokens of [7, 11, 13]) buckets.take(alice, tokens, 100)
    live(buckets, 100)
    expect(buckets.debt(alice, 100)).toBeCloseTo(200 + 50 + 31, 8)
  })

  test('unless the bucket is reset, full though it may look here', () => {
    const buckets = quiet(300)
    buckets.take(alice, 90, 0)
    buckets.reset(alice, 400)
    expect(drained(buckets, 400)).toMatchObject([{ taken: 50, returned: 50, debt: 0 }])
  })

  test('whole when regions leave contact, who do not know of it', () => {
    const buckets = quiet(300)
    buckets.take(alice, 50, 0)
    buckets.park({ capacity: 500, refillPerSec: 150 }, 0, { restored: false })
    expect(buckets.debt(alice, 0)).toBe(50)
  })

  test('until what others took makes the bucket owe more than half of the limit', () => {
    const buckets = quiet()
    buckets.take(alice, 50, 0)
    buckets.merge(1, news({ taken: 450 }), 'exact', 0)
    expect(drained(buckets)).toEqual([])
    buckets.merge(1, news({ taken: 451 }), 'exact', 0)
    expect(drained(buckets)).toMatchObject([{ taken: 50 }])
  })

  test('is charged once where a page told it, and its receiver hears it again', () => {
    const [buckets, other] = [quiet(10), table({ refillPerSec: 10 })]
    const tell = (entries: CounterEntry[], nowMs: number): void => {
      for (const entry of entries) other.merge(1, entry, 'exact', nowMs)
    }
    buckets.take(alice, 60, 0)
    buckets.beginInterval(2)
    tell(live(buckets), 0)
    expect(other.debt(alice, 0)).toBe(60)
    buckets.take(alice, 90, 1000)
    tell(drained(buckets, 1000), 1000)
    expect(other.debt(alice, 1000)).toBe(140)
  })
})

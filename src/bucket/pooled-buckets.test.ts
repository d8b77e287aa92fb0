import { describe, expect, test } from 'vitest'
import type { CounterEntry, MergeRule } from './merge-rules.ts'
import { PooledBuckets } from './pooled-buckets.ts'

const alice = { lo: 1, hi: 2 }
const idleMs = 1800

function table(own: { bucketsMax?: number; refillPerSec?: number; quietPart?: number } = {}): PooledBuckets {
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
function news(own: Partial<CounterEntry> & { taken: number }): CounterEntry {
  return { ...alice, generation: 1, returned: 0, ownDebt: own.taken, debt: Number.NaN, ...own }
}

function drained(buckets: PooledBuckets, nowMs = 0): CounterEntry[] {
  const entries: CounterEntry[] = []
  buckets.drainChanged(1000, nowMs, (entry) => entries.push(entry))
  return entries
}

function live(buckets: PooledBuckets, nowMs = 0): CounterEntry[] {
  const entries: CounterEntry[] = []
  const end = buckets.scanLive({ from: 0, entriesMax: 1000, rowsMax: 1000 }, nowMs, (entry) =>
    entries.push(entry),
  )
  expect(end).toBe(-1)
  return entries
}

describe('what a replica tells', () => {
  test('is its own counters and its own part of the debt, not those of others', () => {
    const buckets = table()
    buckets.take(alice, 10, 0)
    buckets.merge(1, news({ taken: 30 }), 'exact', 0)
    buckets.give(alice, 4, 0)
    const [entry] = drained(buckets)
    expect(entry).toMatchObject({ ...alice, taken: 10, returned: 4, debt: 36 })
    expect(entry!.ownDebt).toBeCloseTo(6, 4)
  })

  test('is told once, and again after the next change', () => {
    const buckets = table()
    buckets.take(alice, 1, 0)
    buckets.take(alice, 1, 0)
    expect(drained(buckets)).toHaveLength(1)
    expect(drained(buckets)).toEqual([])
    buckets.take(alice, 1, 0)
    expect(drained(buckets)).toMatchObject([{ taken: 3 }])
  })

  test('what was heard from others is not told on', () => {
    const buckets = table()
    buckets.merge(1, news({ taken: 30 }), 'exact', 0)
    expect(drained(buckets)).toEqual([])
  })

  test('more buckets than fit are told oldest change first', () => {
    const buckets = table()
    for (const lo of [5, 3, 9, 4]) buckets.take({ lo, hi: 0 }, 1, 0)
    const order: number[] = []
    expect(buckets.drainChanged(3, 0, ({ lo }) => order.push(lo))).toBe(3)
    expect(buckets.changedCount).toBe(1)
    buckets.take({ lo: 5, hi: 0 }, 1, 0)
    buckets.drainChanged(3, 0, ({ lo }) => order.push(lo))
    expect(order).toEqual([5, 3, 9, 4, 5])
  })

  test('news waiting to be told is bounded by the buckets, however many are evicted meanwhile', () => {
    const buckets = table({ bucketsMax: 4 })
    for (let lo = 0; lo < 1000; lo++) buckets.take({ lo, hi: 0 }, 1, 0)
    expect(buckets.changedCount).toBeLessThanOrEqual(2 * 4)
    expect(drained(buckets).map(({ lo }) => lo)).toHaveLength(4)
  })

  test('live buckets are those that owe, and those that were just made full', () => {
    const buckets = table({ refillPerSec: 100 })
    buckets.take(alice, 10, 0)
    expect(live(buckets)).toMatchObject([{ taken: 10, debt: 10 }])
    buckets.reset(alice, 50)
    expect(live(buckets, 50)).toMatchObject([{ taken: 10, returned: 5, debt: 0 }])
    expect(live(buckets, 50 + idleMs / 3)).toEqual([])
  })
})

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

describe('what others have probably taken unheard', () => {
  test('is held back, charged nowhere, and believed for a moment only', () => {
    const buckets = table()
    buckets.setNewsTimes({ delayMs: 75, batchIntervalMs: 50 })
    buckets.merge(1, news({ taken: 200 }), 'exact', 1000)
    // 200 in an interval of 50 ms, so probably 400 more in the 100 ms that news takes.
    expect(buckets.take(alice, 401, 1000)).toMatchObject({ allowed: false, remaining: 400 })
    expect(buckets.debt(alice, 1000)).toBe(200)
    expect(buckets.take(alice, 601, 1075)).toMatchObject({ allowed: false, remaining: 600 })
    expect(buckets.take(alice, 800, 1100).allowed).toBe(true)
  })
})

describe('what an earlier life saved', () => {
  test('is owed once, whoever saved it, less what it refilled since', () => {
    const buckets = table({ refillPerSec: 10 })
    buckets.restore({ ...alice, tokens: 300 }, 2000, 0)
    expect(buckets.debt(alice, 0)).toBe(280)
    buckets.restore({ ...alice, tokens: 300 }, 1000, 0)
    expect(buckets.debt(alice, 0)).toBe(290)
    buckets.restore({ ...alice, tokens: 100 }, 0, 0)
    expect(buckets.debt(alice, 0)).toBe(290)
  })
})

test('a bucket that was full for a third of the idle time starts a new generation with the next take, not before', () => {
  const buckets = table({ refillPerSec: 100 })
  const taken = (nowMs: number): unknown => {
    buckets.beginInterval(1 + nowMs)
    buckets.take(alice, 10, nowMs)
    return drained(buckets, nowMs).map(({ generation, taken: tokens }) => [generation, tokens])
  }
  expect(taken(0)).toEqual([[1, 10]])
  // Full again 100 ms after each.
  expect(taken(100 + idleMs / 3 - 1)).toEqual([[1, 20]])
  const nextMs = 200 + 2 * (idleMs / 3)
  expect(taken(nextMs)).toEqual([[1 + nextMs, 10]])
})

describe('takenBySlot', () => {
  test('tells who took what, until the bucket is full', () => {
    const buckets = table({ refillPerSec: 100 })
    buckets.take(alice, 10, 0)
    buckets.merge(2, news({ taken: 30, returned: 5 }), 'exact', 0)
    expect(buckets.takenBySlot(alice, 0)).toEqual([10, 0, 25])
    expect(buckets.takenBySlot(alice, 1000)).toEqual([])
  })

  test('who gave back more than it took counts below zero', () => {
    const buckets = table()
    buckets.merge(1, news({ taken: 30 }), 'exact', 0)
    buckets.give(alice, 20, 0)
    expect(buckets.takenBySlot(alice, 0)).toEqual([-20, 30, 0])
  })
})

describe('news is charged', () => {
  const charged = (rule: MergeRule, entry: CounterEntry, before = 0): number => {
    const buckets = table()
    if (before > 0) buckets.take(alice, before, 0)
    buckets.merge(1, entry, rule, 0)
    return buckets.debt(alice, 0)
  }

  test('exact: by what was taken since the last news, less what was given back', () => {
    expect(charged('exact', news({ taken: 30, returned: 10 }), 5)).toBeCloseTo(25, 3)
  })

  test('exact: giving back what is not known to be taken fills no further than full', () => {
    expect(charged('exact', news({ taken: 0, returned: 10 }), 5)).toBe(0)
  })

  test('exact: of a busy period that began unheard, no more than its sender owes and could have refilled', () => {
    const buckets = table({ refillPerSec: 10 })
    buckets.merge(1, news({ taken: 10_000, ownDebt: 40 }), 'exact', 0)
    expect(buckets.debt(alice, 0)).toBeCloseTo(40 + (10 * idleMs) / 1000)
  })

  test('healed: by no more than the sender still owes of its own', () => {
    expect(charged('healed', news({ taken: 500, ownDebt: 20 }), 5)).toBeCloseTo(25)
    expect(charged('healed', news({ taken: 10, ownDebt: 20 }), 5)).toBeCloseTo(15)
    expect(charged('healed', news({ taken: 0, returned: 3, ownDebt: 0 }), 5)).toBeCloseTo(2)
  })

  test('healed: what the sender knows of others is left to them', () => {
    expect(charged('healed', news({ taken: 500, ownDebt: 10, debt: 70 }), 5)).toBeCloseTo(15)
  })

  test('joining: the highest debt that is reported is taken over, and nothing is added', () => {
    const buckets = table()
    const debts = (entry: CounterEntry, slot: number): number => {
      buckets.merge(slot, entry, 'joining', 0)
      return buckets.debt(alice, 0)
    }
    expect(debts(news({ taken: 500, ownDebt: 20 }), 1)).toBeCloseTo(20)
    expect(debts(news({ taken: 500, ownDebt: 20, debt: 60 }), 1)).toBeCloseTo(60)
    expect(debts(news({ taken: 300, ownDebt: 40, debt: 60 }), 2)).toBeCloseTo(60)
    expect(debts(news({ taken: 300, ownDebt: 40, debt: 65 }), 2)).toBeCloseTo(65)
  })

  test('joining: what both took themselves are different tokens', () => {
    const buckets = table()
    buckets.take(alice, 30, 0)
    buckets.merge(1, news({ taken: 50, ownDebt: 50, debt: 60 }), 'joining', 0)
    expect(buckets.debt(alice, 0)).toBeCloseTo(80)
    buckets.merge(1, news({ taken: 50, ownDebt: 50, debt: 60 }), 'joining', 0)
    expect(buckets.debt(alice, 0)).toBeCloseTo(80)
  })

  test('joining: what is taken after a report is added to it', () => {
    const buckets = table()
    buckets.merge(1, news({ taken: 10, ownDebt: 10, debt: 60 }), 'joining', 0)
    buckets.merge(1, news({ taken: 17 }), 'joining', 0)
    expect(buckets.debt(alice, 0)).toBeCloseTo(67)
    buckets.merge(1, news({ taken: 17, debt: 67 }), 'joining', 0)
    expect(buckets.debt(alice, 0)).toBeCloseTo(67)
  })

  test('counts are modulo 2^32', () => {
    const buckets = table()
    buckets.merge(1, news({ taken: 2 ** 32 - 3, ownDebt: 0 }), 'healed', 0)
    buckets.merge(1, news({ taken: 4, ownDebt: 7 }), 'exact', 0)
    expect(buckets.debt(alice, 0)).toBe(7)
    buckets.merge(1, news({ taken: 2 ** 32 - 3, ownDebt: 0 }), 'exact', 0)
    expect(buckets.debt(alice, 0)).toBe(7)
  })

  test('what others give back is taken off the own part last', () => {
    const buckets = table()
    buckets.take(alice, 10, 0)
    buckets.merge(1, news({ taken: 5 }), 'exact', 0)
    buckets.merge(1, news({ taken: 5, returned: 12 }), 'exact', 0)
    buckets.take(alice, 1, 0)
    const [entry] = drained(buckets)
    expect(entry!.debt).toBeCloseTo(4)
    expect(entry!.ownDebt).toBeCloseTo(4)
  })
})

describe('for metrics', () => {
  test('tokens that replicas in contact took are counted when they are heard of, each once', () => {
    const buckets = table()
    buckets.merge(1, news({ taken: 30 }), 'joining', 0)
    expect(buckets.tokensHeard).toBe(0)
    buckets.merge(1, news({ taken: 50 }), 'exact', 0)
    buckets.merge(1, news({ taken: 50 }), 'exact', 0)
    expect(buckets.tokensHeard).toBe(20)
  })

  test('tokens beyond the limit are counted, and not those below it', () => {
    const buckets = table()
    buckets.take(alice, 900, 0)
    buckets.merge(1, news({ taken: 150 }), 'exact', 0)
    expect(buckets.tokensOverLimit).toBeCloseTo(50)
    buckets.merge(2, news({ taken: 7 }), 'exact', 0)
    expect(buckets.tokensOverLimit).toBeCloseTo(57)
    buckets.merge(2, news({ taken: 7, returned: 7 }), 'exact', 0)
    expect(buckets.tokensOverLimit).toBeCloseTo(57)
  })
})

test('I7 a replica whose counters are forgotten starts from nothing, and what it took stays owed', () => {
  const buckets = table()
  buckets.merge(1, news({ taken: 30, generation: 9 }), 'exact', 0)
  buckets.merge(2, news({ taken: 5, generation: 9 }), 'exact', 0)
  buckets.forgetReplica(1)
  expect(buckets.debt(alice, 0)).toBeCloseTo(35)
  expect(buckets.takenBySlot(alice, 0)).toEqual([0, 0, 5])
  buckets.merge(1, news({ taken: 2, generation: 1 }), 'exact', 0)
  expect(buckets.debt(alice, 0)).toBeCloseTo(37)
})

test('more replicas find room, and what was known of the others stays', () => {
  const buckets = table()
  buckets.take(alice, 3, 0)
  buckets.merge(2, news({ taken: 5 }), 'exact', 0)
  buckets.setReplicas(6)
  buckets.merge(5, news({ taken: 7 }), 'exact', 0)
  expect(buckets.takenBySlot(alice, 0)).toEqual([3, 0, 5, 0, 0, 7])
  buckets.merge(2, news({ taken: 5 }), 'exact', 0)
  expect(buckets.debt(alice, 0)).toBeCloseTo(15)
})

test('a scan goes on where it stopped, and meets each live bucket once', () => {
  const buckets = table()
  for (let lo = 0; lo < 50; lo++) buckets.take({ lo, hi: 0 }, 1, 0)
  const seen: number[] = []
  let calls = 0
  for (let from = 0; from >= 0; calls++) {
    from = buckets.scanLive({ from, entriesMax: 7, rowsMax: 5 }, 0, ({ lo }) => seen.push(lo))
  }
  expect(calls).toBe(10)
  expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, lo) => lo))
})

import { describe, expect, test } from 'vitest'
import type { CounterEntry, MergeRule } from './merge-rules.ts'
import { alice, drained, idleMs, live, news, table } from './pooled-buckets.testing.ts'

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

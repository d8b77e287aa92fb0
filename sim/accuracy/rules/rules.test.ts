import { expect, test } from 'vitest'
import type { Rule, World } from '../rule.ts'
import { centralStore } from './central-store.ts'
import { everyRegionAlone } from './every-region-alone.ts'
import { gubernatorGlobal } from './gubernator-global.ts'
import { limitador } from './limitador.ts'
import { staticSplit } from './static-split.ts'
import { tryTake } from './token-bucket.ts'
import { upstashMultiRegion } from './upstash-multi-region.ts'

const ALL = [everyRegionAlone, staticSplit, centralStore, limitador, gubernatorGlobal, upstashMultiRegion]
const DELAY_MS = 50

/** Three regions, 50 ms apart, and a queue of events in virtual time. 30 tokens, refilled in 3 s, unless told otherwise. */
function simulate(rule: Rule, { capacity = 30, refillPerSec = 10 } = {}) {
  const queue: { atMs: number; run: () => void }[] = []
  const cut = new Set<string>()
  const traffic = { messages: 0, bytes: 0 }
  let nowMs = 0
  const world: World = {
    get nowMs() {
      return nowMs
    },
    regions: ['a', 'b', 'c'],
    capacity,
    refillPerSec,
    delayMs: (from, to) => (from === to ? 0 : DELAY_MS),
    after: (delayMs, run) => void queue.push({ atMs: nowMs + delayMs, run }),
    send({ from, to, bytes }, deliver) {
      if (from !== to) {
        traffic.messages += 1
        traffic.bytes += bytes
      }
      if (!cut.has(from) && !cut.has(to)) world.after(world.delayMs(from, to), deliver)
      else if (from === to) world.after(0, deliver)
    },
  }
  const running = rule.start(world)

  /** Runs all that is due up to then, in the order of time, then of arrival. */
  function runUntil(untilMs: number): void {
    for (;;) {
      let next: (typeof queue)[number] | undefined
      for (const event of queue)
        if (event.atMs <= untilMs && (next === undefined || event.atMs < next.atMs)) next = event
      if (next === undefined) break
      queue.splice(queue.indexOf(next), 1)
      nowMs = next.atMs
      next.run()
    }
    nowMs = untilMs
  }

  return {
    traffic,
    cut,
    runUntil,
    pending: () => queue.length,
    /** Asks so often at this instant; counts what is admitted, now or later. */
    ask(region: string, times: number, key = 'k') {
      const counts = { admitted: 0, refused: 0 }
      for (let i = 0; i < times; i++) {
        running.take(region, key, (allowed) => {
          if (allowed) counts.admitted += 1
          else counts.refused += 1
        })
      }
      return counts
    },
  }
}

test('a bucket refills up to its capacity and no further', () => {
  const limit = { capacity: 2, refillPerSec: 10 }
  const empty = { tokens: 0, atMs: 0 }
  expect(tryTake(empty, limit, 99).allowed).toBe(false)
  expect(tryTake(empty, limit, 100).allowed).toBe(true)
  expect(tryTake(empty, limit, 60_000).bucket.tokens).toBe(1)
  // A refusal keeps what has been refilled.
  expect(tryTake(tryTake(empty, limit, 60).bucket, limit, 100).allowed).toBe(true)
})

test.each(ALL)('$name admits one region to its bound, key by key, and then falls silent', (rule) => {
  const sim = simulate(rule)
  const first = sim.ask('a', 50)
  sim.runUntil(1)
  const second = sim.ask('a', 50, 'another')
  sim.runUntil(60_000)
  const bound = rule === staticSplit ? 10 : 30
  expect(first).toEqual({ admitted: bound, refused: 50 - bound })
  expect(second).toEqual(first)
  expect(sim.pending()).toBe(0)
})

test('alone, three regions admit three times the limit', () => {
  const sim = simulate(everyRegionAlone)
  expect(['a', 'b', 'c'].map((region) => sim.ask(region, 40).admitted)).toEqual([30, 30, 30])
  sim.runUntil(500)
  expect(sim.ask('a', 40).admitted).toBe(5)
  expect(sim.traffic.messages).toBe(0)
})

test('split, each region admits a third and refills by a third', () => {
  const sim = simulate(staticSplit)
  expect(['a', 'b', 'c'].map((region) => sim.ask(region, 40).admitted)).toEqual([10, 10, 10])
  sim.runUntil(600)
  expect(sim.ask('a', 40).admitted).toBe(2)
})

test('the central store decides as one bucket, after the round trip', () => {
  const sim = simulate(centralStore)
  const far = sim.ask('b', 20)
  const near = sim.ask('a', 20)
  expect(near.admitted).toBe(20)
  sim.runUntil(2 * DELAY_MS - 1)
  expect(far).toEqual({ admitted: 0, refused: 0 })
  sim.runUntil(2 * DELAY_MS)
  // Half a token was refilled before the 20 arrived: 10 were left.
  expect(far).toEqual({ admitted: 10, refused: 10 })
  expect(sim.traffic).toEqual({ messages: 40, bytes: 40 * 64 })
})

test('cut off from the central store, a region refuses after a second', () => {
  const sim = simulate(centralStore)
  sim.cut.add('b')
  const far = sim.ask('b', 2)
  sim.runUntil(999)
  expect(far.refused).toBe(0)
  sim.runUntil(1_000)
  expect(far).toEqual({ admitted: 0, refused: 2 })
  expect(sim.ask('a', 40).admitted).toBe(30)
})

test('Limitador over-admits within the delay and not after it', () => {
  const sim = simulate(limitador)
  expect(sim.ask('a', 20).admitted).toBe(20)
  sim.runUntil(DELAY_MS - 1)
  expect(sim.ask('b', 20).admitted).toBe(20)
  sim.runUntil(DELAY_MS)
  expect(sim.ask('c', 20).admitted).toBe(10)
  sim.runUntil(3 * DELAY_MS)
  expect(sim.ask('b', 20).admitted).toBe(0)
})

test('Limitador sends the updates of an instant as one, to each of the others', () => {
  const sim = simulate(limitador)
  sim.ask('a', 20)
  sim.runUntil(1)
  // 44 for the update, 1 for the key, and 10 for the count of the one region known.
  expect(sim.traffic).toEqual({ messages: 2, bytes: 2 * (44 + 1 + 10) })
})

test('Limitador refuses for the rest of the window and admits in the next one', () => {
  const sim = simulate(limitador)
  expect(sim.ask('a', 40).admitted).toBe(30)
  sim.runUntil(2_999)
  expect(sim.ask('a', 40).admitted).toBe(0)
  sim.runUntil(3_000)
  expect(sim.ask('a', 40).admitted).toBe(30)
})

test('Limitador ends a window in whole seconds at those that were told of it', () => {
  const sim = simulate(limitador)
  sim.runUntil(900)
  sim.ask('a', 30)
  sim.runUntil(2_999)
  expect(sim.ask('b', 1).admitted).toBe(0)
  sim.runUntil(3_000)
  // Until 3,900 at the one that began it.
  expect(sim.ask('a', 1).admitted).toBe(0)
  expect(sim.ask('b', 1).admitted).toBe(1)
})

test('Limitador begins a window with no counts of the last', () => {
  const sim = simulate(limitador)
  sim.ask('b', 20)
  sim.runUntil(DELAY_MS)
  sim.ask('a', 10)
  sim.runUntil(3_000)
  expect(sim.ask('a', 40).admitted).toBe(30)
})

test('Limitador makes good for a lost update with the next one', () => {
  const sim = simulate(limitador)
  sim.cut.add('c')
  sim.ask('a', 20)
  sim.runUntil(1)
  sim.cut.clear()
  sim.runUntil(100)
  expect(sim.ask('a', 1).admitted).toBe(1)
  sim.runUntil(200)
  expect(sim.ask('c', 40).admitted).toBe(9)
})

test('Limitador starts from nothing where the first news of a window comes from another region', () => {
  const sim = simulate(limitador)
  sim.cut.add('a')
  sim.ask('b', 12)
  sim.ask('c', 7)
  sim.runUntil(3_000)
  sim.cut.clear()
  sim.ask('a', 5)
  sim.runUntil(3_100)
  expect(sim.ask('b', 40).admitted).toBe(25)
})

test('Limitador ignores news of a window that ends in the current second', () => {
  const sim = simulate(limitador)
  sim.runUntil(900)
  sim.ask('a', 20)
  sim.runUntil(3_100)
  sim.ask('a', 5)
  sim.runUntil(3_200)
  // The 5 were not heard.
  expect(sim.ask('b', 40).admitted).toBe(30)
})

/** FNV-1a puts it there. */
const OWNED_BY_A = 'key-0'

test('gubernator decides in every region by itself until the owner has heard and told', () => {
  const sim = simulate(gubernatorGlobal, { refillPerSec: 1 })
  expect(sim.ask('b', 40, OWNED_BY_A).admitted).toBe(30)
  // Collected for 100 ms, 50 ms away; collected again for 100 ms and sent on at 250, and there at 300.
  sim.runUntil(299)
  expect(sim.ask('c', 1, OWNED_BY_A).admitted).toBe(1)
  sim.runUntil(300)
  expect(sim.ask('c', 40, OWNED_BY_A).admitted).toBe(0)
  // So far a batch of hits with its reply, and a broadcast to each of the others; their replies are on the way.
  const key = OWNED_BY_A.length
  expect(sim.traffic).toEqual({ messages: 6, bytes: 48 + key + 19 + 2 * (53 + key) })
})

test('gubernator tells the others what the owner itself admitted', () => {
  const sim = simulate(gubernatorGlobal, { refillPerSec: 1 })
  expect(sim.ask('a', 20, OWNED_BY_A).admitted).toBe(20)
  sim.runUntil(149)
  expect(sim.ask('b', 1, OWNED_BY_A).admitted).toBe(1)
  sim.runUntil(150)
  // The broadcast replaces the copy: the hit of a moment ago is forgotten here.
  expect(sim.ask('b', 40, OWNED_BY_A).admitted).toBe(10)
  expect(sim.ask('a', 40, OWNED_BY_A).admitted).toBe(10)
})

test('gubernator drains the owner by hits that were refused elsewhere', () => {
  const sim = simulate(gubernatorGlobal, { refillPerSec: 1 })
  // Cut off, the copy at b is used up while the owner still has 20.
  sim.cut.add('b')
  expect(sim.ask('b', 40, OWNED_BY_A).admitted).toBe(30)
  expect(sim.ask('a', 10, OWNED_BY_A).admitted).toBe(10)
  sim.runUntil(700)
  sim.cut.clear()
  expect(sim.ask('b', 25, OWNED_BY_A).admitted).toBe(0)
  sim.runUntil(900)
  expect(sim.ask('a', 40, OWNED_BY_A).admitted).toBe(0)
})

test('gubernator refills by whole tokens, up to the limit', () => {
  const sim = simulate(gubernatorGlobal)
  sim.ask('a', 30, OWNED_BY_A)
  sim.runUntil(550)
  expect(sim.ask('a', 40, OWNED_BY_A).admitted).toBe(5)
  // The half token that was left is gone.
  sim.runUntil(700)
  expect(sim.ask('a', 40, OWNED_BY_A).admitted).toBe(1)
  sim.runUntil(4_000)
  sim.ask('a', 10, OWNED_BY_A)
  sim.runUntil(6_500)
  expect(sim.ask('a', 40, OWNED_BY_A).admitted).toBe(30)
})

test('gubernator forgets a copy at a reset time that is computed too early', () => {
  const admittedAtB = (atMs: number): number => {
    const sim = simulate(gubernatorGlobal, { refillPerSec: 16 })
    sim.ask('a', 30, OWNED_BY_A)
    sim.runUntil(atMs)
    return sim.ask('b', 40, OWNED_BY_A).admitted
  }
  // 30 tokens at 62 ms instead of 62.5.
  expect(admittedAtB(1_860)).toBe(27)
  expect(admittedAtB(1_861)).toBe(30)
})

test('gubernator collects anew only when the last send was answered', () => {
  const sim = simulate(gubernatorGlobal, { refillPerSec: 1 })
  sim.ask('b', 10, OWNED_BY_A)
  sim.runUntil(110)
  sim.ask('b', 10, OWNED_BY_A)
  // Sent at 100, answered at 200, so sent again at 300.
  sim.runUntil(349)
  expect(sim.ask('a', 11, OWNED_BY_A).admitted).toBe(11)
  sim.runUntil(350)
  expect(sim.ask('a', 11, OWNED_BY_A).admitted).toBe(0)
})

test('gubernator loses the hits of a region that is cut off', () => {
  const sim = simulate(gubernatorGlobal, { refillPerSec: 1 })
  sim.cut.add('b')
  sim.ask('b', 30, OWNED_BY_A)
  sim.runUntil(101)
  sim.cut.clear()
  sim.runUntil(900)
  expect(sim.ask('a', 40, OWNED_BY_A).admitted).toBe(30)
})

test('Upstash decides by the own database, and the others have counted it a delay later', () => {
  const sim = simulate(upstashMultiRegion)
  const a = sim.ask('a', 20)
  sim.runUntil(DELAY_MS - 1)
  const b = sim.ask('b', 20)
  sim.runUntil(DELAY_MS + 1)
  const c = sim.ask('c', 20)
  sim.runUntil(DELAY_MS + 2)
  expect([a.admitted, b.admitted, c.admitted]).toEqual([20, 20, 10])
})

test('Upstash weighs the window before by the part of it that still counts', () => {
  const sim = simulate(upstashMultiRegion)
  sim.runUntil(2_999)
  expect(sim.ask('a', 30).admitted).toBe(0)
  sim.runUntil(3_000)
  // 30 of the window before, all of it still counted.
  const atBoundary = sim.ask('a', 10)
  sim.runUntil(4_500)
  const half = sim.ask('a', 40)
  sim.runUntil(4_501)
  expect(atBoundary.admitted).toBe(0)
  expect(half.admitted).toBe(15)
})

test('Upstash sends a database what it missed, one request after the other', () => {
  const admittedAtC = (atMs: number): number => {
    const sim = simulate(upstashMultiRegion)
    sim.cut.add('c')
    sim.ask('a', 20)
    sim.runUntil(500)
    sim.cut.clear()
    sim.ask('a', 1)
    sim.runUntil(atMs)
    const late = sim.ask('c', 40)
    sim.runUntil(atMs + 1)
    return late.admitted
  }
  // It counted the last one itself, and nothing is sent before one that all answered.
  expect(admittedAtC(749)).toBe(29)
  // All have answered at 600. First b is sent what it knows already, then c is sent the 20, from 750 on, every 100 ms.
  expect(admittedAtC(1_080)).toBe(25)
  expect(admittedAtC(2_649)).toBe(10)
  expect(admittedAtC(2_651)).toBe(9)
})

test('Upstash syncs nothing while a database is out of reach, and none that is full', () => {
  const partly = simulate(upstashMultiRegion)
  partly.cut.add('b').add('c')
  partly.ask('a', 20)
  partly.runUntil(500)
  partly.cut.delete('b')
  partly.ask('a', 1)
  partly.runUntil(2_900)
  const b = partly.ask('b', 40)
  partly.runUntil(2_901)
  expect(b.admitted).toBe(29)

  const full = simulate(upstashMultiRegion)
  full.cut.add('a').add('b').add('c')
  for (const region of ['a', 'b', 'c']) full.ask(region, 30)
  full.runUntil(500)
  full.cut.clear()
  const before = full.traffic.messages
  full.ask('a', 1)
  full.runUntil(2_900)
  expect(full.traffic.messages - before).toBe(4)
})

test('Upstash carries both windows in every answer', () => {
  const perRequest = (before: number): number => {
    const sim = simulate(upstashMultiRegion)
    sim.ask('a', before)
    sim.runUntil(1_000)
    const bytes = sim.traffic.bytes
    sim.ask('a', 1)
    sim.runUntil(2_000)
    return sim.traffic.bytes - bytes
  }
  // From two other databases, 23 B for each of 10 more.
  expect(perRequest(20) - perRequest(10)).toBe(2 * 23 * 10)
})

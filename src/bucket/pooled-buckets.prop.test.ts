import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PooledBuckets } from './pooled-buckets.ts'

/**
 * Replicas that tell each other everything, in order, late by what the link takes, and once more later. What each owes must at all
 * times be what one token bucket owes that is charged when the news first arrives: nothing twice, nothing forgotten, however often
 * buckets get full and are forgotten in between, here sooner and there later.
 */
const key = { lo: 1, hi: 2 }
const intervalMs = 50
/** The contact time-out is above what news takes at most: the interval and the slowest link. */
const delayMsMax = 500
const contactTimeoutMs = 600
const idleMs = 3 * contactTimeoutMs
const capacity = 1000
/** An eighth of a token a millisecond: all sums are exact. */
const refillPerSec = 125

const steps = fc.array(
  fc.record({
    waitMs: fc.oneof(
      { weight: 3, arbitrary: fc.integer({ min: 0, max: 200 }) },
      { weight: 2, arbitrary: fc.integer({ min: 200, max: 2 * idleMs }) },
    ),
    replica: fc.integer({ min: 0, max: 2 }),
    what: fc.constantFrom('take', 'take', 'sweep'),
    cost: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 100 })),
  }),
  { minLength: 1, maxLength: 30 },
)

test('I2 every replica owes at all times what one bucket would that is charged once, when news arrives', () => {
  const delays = fc.array(fc.integer({ min: 1, max: delayMsMax }), { minLength: 6, maxLength: 6 })
  fc.assert(
    fc.property(delays, steps, (delaysMs, list) => {
      const world = new World(delaysMs)
      for (const step of list) {
        world.advance(step.waitMs)
        if (step.what === 'sweep') world.replicas[step.replica]!.buckets.sweep(100, world.nowMs)
        else world.take(step.replica, step.cost)
        for (const { real, plain } of world.debts()) expect(real).toBeCloseTo(plain, 3)
      }
      world.advance(delayMsMax + intervalMs)
      for (const { real, plain } of world.debts()) expect(real).toBeCloseTo(plain, 3)
    }),
    { numRuns: 400 },
  )
})

interface Replica {
  readonly buckets: PooledBuckets
  /** What the plain token bucket owes, as of `atMs`. */
  debt: number
  atMs: number
}

class World {
  nowMs = 0
  readonly replicas: Replica[] = Array.from({ length: 3 }, () => {
    const options = { limit: 'api', capacity, refillPerSec, bucketsMax: 10, idleMs, nowMs: 0 }
    const buckets = new PooledBuckets(1, options)
    buckets.setReplicas(3)
    return { buckets, debt: 0, atMs: 0 }
  })
  readonly #delaysMs: readonly number[]
  #events: { atMs: number; run: () => void }[] = []
  /** Tokens taken by each replica since its last batch. */
  readonly #unsent = [0, 0, 0]

  constructor(delaysMs: readonly number[]) {
    this.#delaysMs = delaysMs
    for (const index of this.replicas.keys()) this.#at(index * 17, () => this.#tick(index))
  }

  take(index: number, cost: number): void {
    const replica = this.replicas[index]!
    if (!replica.buckets.take(key, cost, this.nowMs).allowed) return
    this.#charge(replica, cost)
    this.#unsent[index]! += cost
  }

  /** What each replica owes, and what the plain token bucket does. */
  debts(): { real: number; plain: number }[] {
    return this.replicas.map((replica) => {
      this.#charge(replica, 0)
      return { real: replica.buckets.debt(key, this.nowMs), plain: replica.debt }
    })
  }

  advance(ms: number): void {
    const endMs = this.nowMs + ms
    for (;;) {
      const next = this.#events[0]
      if (!next || next.atMs > endMs) break
      this.#events.shift()
      this.nowMs = next.atMs
      next.run()
    }
    this.nowMs = endMs
  }

  #charge(replica: Replica, tokens: number): void {
    const refilled = ((this.nowMs - replica.atMs) * refillPerSec) / 1000
    replica.debt = Math.max(0, replica.debt - refilled) + tokens
    replica.atMs = this.nowMs
  }

  #tick(index: number): void {
    const { buckets } = this.replicas[index]!
    const tokens = this.#unsent[index]!
    this.#unsent[index] = 0
    buckets.drainChanged(10, this.nowMs, (entry) => {
      for (const [to, other] of this.replicas.entries()) {
        if (to === index) continue
        const slot = index < to ? index + 1 : index
        this.#at(this.nowMs + this.#delaysMs[index * 2 + (to < index ? to : to - 1)]!, () => {
          other.buckets.merge(slot, entry, 'exact', this.nowMs)
          this.#charge(other, tokens)
        })
        this.#at(this.nowMs + delayMsMax, () => other.buckets.merge(slot, entry, 'exact', this.nowMs))
      }
    })
    buckets.beginInterval(2 + this.nowMs)
    this.#at(this.nowMs + intervalMs, () => this.#tick(index))
  }

  #at(atMs: number, run: () => void): void {
    this.#events.push({ atMs, run })
    this.#events.sort((a, b) => a.atMs - b.atMs)
  }
}

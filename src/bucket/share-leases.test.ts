import { beforeEach, describe, expect, test } from 'vitest'
import type { LeaseClaim, LeaseGrant } from './share-leases.ts'
import { StrictBuckets } from './strict-buckets.ts'

const alice = { lo: 1, hi: 2 }
const base = { capacity: 100, refillPerSec: 10 }
const whole = { capacity: 200, refillPerSec: 20 }
const leaseMs = 3000
/** When the lessee ends a lease, after its claim: a tenth early, for clocks that differ in pace. */
const lesseeMs = 2700

function replica(ownFromMs = Number.NEGATIVE_INFINITY): StrictBuckets {
  const made = new StrictBuckets(7, { limit: 'api', bucketsMax: 100, leaseMs, ownFromMs })
  made.setShares(whole, [base, base])
  return made
}

function left(buckets: StrictBuckets, nowMs: number): number {
  return buckets.state(alice, nowMs).remaining
}

/** What a replica claims of the only other, if anything. */
function claimOf(buckets: StrictBuckets, nowMs: number): LeaseClaim | undefined {
  let claimed: LeaseClaim | undefined
  buckets.leases.claims(nowMs, [{ slot: 1, inContact: true }], (_slot, claim) => (claimed = claim))
  return claimed
}

/** Asks for a token each 10 ms. */
function ask(buckets: StrictBuckets, fromMs: number, toMs: number): void {
  for (let ms = fromMs; ms < toMs; ms += 10) buckets.take(alice, 1, ms)
}

let lessee: StrictBuckets
let lender: StrictBuckets
let claim: LeaseClaim
let grant: LeaseGrant

/** At 1,000 ms the one that was asked all the time has claimed a part of the other's share; it was granted, and didn't arrive yet. */
beforeEach(() => {
  lessee = replica()
  lender = replica()
  ask(lessee, 0, 1000)
  claim = claimOf(lessee, 1000)!
  grant = lender.leases.claimed(1, claim, 1000, 1000)!
})

describe('the lender', () => {
  test('has what it leases out no more, and the tokens with it, before the grant is on its way', () => {
    expect(grant.part).toBeGreaterThan(0.9)
    expect(grant.tokens).toBeCloseTo(grant.part * base.capacity, 3)
    expect(left(lender, 1000)).toBe(Math.floor(base.capacity - grant.tokens))
    expect(left(lender, 3900)).toBeLessThanOrEqual(Math.ceil(base.capacity * (1 - grant.part)))
  })

  test('that is short itself gives of what it has: no token is in two places', () => {
    const short = replica()
    ask(short, 0, 600)
    const before = left(short, 1000)
    const { part, tokens } = short.leases.claimed(1, claim, 1000, 1000)!
    expect(part).toBeGreaterThan(0.1)
    expect(part).toBeLessThan(0.9)
    expect(tokens).toBeGreaterThan(10)
    expect(left(short, 1000)).toBeLessThanOrEqual(Math.ceil(before + 1 - tokens))
  })

  test('answers a claim once, and none that is older than one it has answered', () => {
    expect(lender.leases.claimed(1, claim, 1000, 1010)).toBeUndefined()
    expect(lender.leases.claimed(1, claim, 900, 1010)).toBeUndefined()
    expect(lender.leases.claimed(1, { ...claim, part: grant.part }, 1100, 1110)).toBeDefined()
  })

  test('has its share back when the lease ends, empty as it was lent: what refilled meanwhile was the lessee’s', () => {
    expect(left(lender, 1000 + leaseMs)).toBeLessThanOrEqual(2)
    expect(left(lender, 2000 + leaseMs)).toBeCloseTo(10, -1)
    expect(left(lender, 60_000)).toBe(base.capacity)
  })

  test('takes what a lost grant brought back with the next claim, which tells what is really held', () => {
    const before = left(lender, 1200)
    lender.leases.claimed(1, { ...claim, part: 0, need: 0, memory: 0 }, 1200, 1200)
    expect(lender.leases.hasLent(1200)).toBe(false)
    expect(left(lender, 1200)).toBe(before)
  })

  test('still counts a lease of a replica that came back with a new incarnation', () => {
    lender.leases.forgetReplica(1)
    expect(lender.leases.hasLent(2000)).toBe(true)
    expect(left(lender, 2000)).toBeLessThan(10)
    expect(lender.leases.claimed(1, { ...claim, part: 0 }, 100, 2000)).toBeDefined()
  })

  test('lends nothing of a share while it holds a part of the other’s', () => {
    lessee.leases.granted(1, grant, 1000, 1080)
    const answer = lessee.leases.claimed(1, { ...claim, need: 1000 }, 1100, 1100)
    expect(answer).toMatchObject({ part: 0, tokens: 0 })
    expect(left(lessee, 1100)).toBeGreaterThan(base.capacity * 0.9)
  })

  test('lends nothing after it was recalled, and answers no renewal', () => {
    lender.leases.recall()
    expect(lender.leases.claimed(1, { ...claim, part: grant.part }, 1900, 1900)).toBeUndefined()
    expect(lender.leases.hasLent(999 + leaseMs)).toBe(true)
    expect(lender.leases.hasLent(1000 + leaseMs)).toBe(false)
  })
})

describe('the lessee', () => {
  test('can spend what was granted, once it is there', () => {
    const before = left(lessee, 1080)
    lessee.leases.granted(1, grant, 1000, 1080)
    expect(left(lessee, 1080)).toBeCloseTo(before + grant.tokens, -1)
    expect(left(lessee, 1080) + left(lender, 1080)).toBeLessThanOrEqual(whole.capacity)
  })

  test('counts a grant once, and only as the answer to its last claim', () => {
    lessee.leases.granted(1, grant, 998, 1080)
    expect(left(lessee, 1080)).toBeLessThan(base.capacity)
    lessee.leases.granted(1, grant, 1000, 1080)
    ask(lessee, 1080, 1980)
    const before = left(lessee, 1980)
    lessee.leases.granted(1, grant, 1000, 1980)
    expect(left(lessee, 1980)).toBe(before)
  })

  test('counts its lease from its claim, however late the grant came, and ends it a tenth early', () => {
    lessee.leases.granted(1, grant, 1000, 3000)
    expect(left(lessee, 999 + lesseeMs)).toBeGreaterThan(base.capacity)
    expect(left(lessee, 1000 + lesseeMs)).toBeLessThanOrEqual(base.capacity)
    const late = replica()
    ask(late, 0, 1000)
    claimOf(late, 1000)
    late.leases.granted(1, grant, 1000, 1000 + lesseeMs)
    expect(left(late, 1000 + lesseeMs)).toBeLessThanOrEqual(base.capacity)
  })

  test('has what it gives back no more when it says so', () => {
    lessee.leases.granted(1, grant, 1000, 1080)
    // Nobody asks here any more, but somebody does at the lender.
    const before = left(lessee, 2600)
    lessee.leases.claimed(1, { ...claim, need: 1000, memory: 1000 }, 2600, 2600)
    const release = claimOf(lessee, 2600)!
    expect(release.part).toBeLessThan(grant.part)
    expect(release.tokens).toBeGreaterThan(0)
    expect(left(lessee, 2600)).toBeLessThanOrEqual(before - Math.floor(release.tokens))
    const capacity = left(lessee, 2600) + lessee.debt(alice, 2600)
    expect(capacity).toBeLessThanOrEqual(base.capacity * (1 + release.part) + 1)
  })
})

describe('after a start that knows nothing', () => {
  const ownFromMs = 4000

  test('the own share is waited for, is neither spent nor lent until then, and empty then', () => {
    const cold = replica(ownFromMs)
    for (let ms = 1000; ms <= ownFromMs; ms += 500) expect(cold.take(alice, 1, ms).allowed).toBe(false)
    expect(cold.take(alice, 1, ownFromMs + 99).allowed).toBe(false)
    expect(cold.take(alice, 1, ownFromMs + 100).allowed).toBe(true)
    expect(cold.take(alice, 1, ownFromMs + 100).allowed).toBe(false)
    expect(replica(ownFromMs).leases.claimed(1, claim, 1000, 1000)).toMatchObject({ part: 0, tokens: 0 })
  })

  test('a bucket that is asked for first after the wait began to fill when it ended', () => {
    const cold = replica(ownFromMs)
    expect(left(cold, ownFromMs + 1000)).toBe(10)
    expect(cold.take(alice, 10, ownFromMs + 1000).allowed).toBe(true)
    expect(cold.take(alice, 1, ownFromMs + 1000).allowed).toBe(false)
  })

  test('what others say they hold is how it learns what it has leased out', () => {
    const cold = replica(ownFromMs)
    expect(cold.leases.claimed(1, { ...claim, part: 0.5, need: 0, memory: 0 }, 1000, 1000)).toMatchObject({
      part: 0.5,
    })
    expect(left(cold, ownFromMs + 100_000)).toBe(base.capacity)
    const told = replica(ownFromMs)
    told.leases.claimed(1, { ...claim, part: 0.5, need: 0, memory: 0 }, 3900, 3900)
    expect(left(told, 3900 + leaseMs - 1)).toBeLessThanOrEqual(base.capacity / 2)
  })

  test('a bucket asked for during the wait refills from its end on', () => {
    const cold = replica(ownFromMs)
    cold.take(alice, 1, 1000)
    expect(left(cold, ownFromMs + 1000)).toBe(10)
  })
})

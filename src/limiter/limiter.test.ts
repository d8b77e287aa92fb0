import { describe, expect, test } from 'vitest'
import { CostError, UnknownLimitError } from './errors.ts'
import { Limiter } from './limiter.ts'
import type { LimitSpec } from './types.ts'
import { Cluster } from '../../sim/cluster.ts'
import { InProcessNetwork } from '../replication/in-process.ts'

const shares = { us: { capacity: 60, refillPerSec: 1 }, eu: { capacity: 40, refillPerSec: 1 } }
const api: LimitSpec = { name: 'api', mode: 'pooled', shares, overrides: [], bucketsMax: 1000 }

function cluster(limits: readonly LimitSpec[] = [api]): { made: Cluster; us: Limiter; eu: Limiter } {
  const made = new Cluster({
    replicas: ['us/0', 'eu/0'],
    limits,
    seed: 7,
    delayMs: { min: 40, max: 40 },
  })
  made.advance(1000)
  return { made, us: made.limiter('us/0'), eu: made.limiter('eu/0') }
}

test('an unknown limit is refused by name, with those there are', () => {
  const { us } = cluster()
  expect(() => us.take('apy', 'alice')).toThrow(new UnknownLimitError('apy', ['api']))
  expect(() => us.peek('apy', 'alice')).toThrow('known: api')
})

test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 101])(
  'a cost of %d is refused, and nothing is taken',
  (cost) => {
    const { us } = cluster()
    expect(() => us.take('api', 'alice', cost)).toThrow(CostError)
    expect(() => us.give('api', 'alice', cost)).toThrow('allowed: a whole number from 1 to 100')
    expect(us.peek('api', 'alice').state.remaining).toBe(100)
  },
)

test('what is spent in one region is refused in the other once it is heard of', () => {
  const { made, us, eu } = cluster()
  expect(us.take('api', 'alice', 100).allowed).toBe(true)
  expect(us.take('api', 'alice').allowed).toBe(false)
  made.advance(100)
  const { allowed, retryAfterMs, remaining, capacity } = eu.take('api', 'alice', 10)
  expect({ allowed, remaining, capacity }).toEqual({ allowed: false, remaining: 0, capacity: 100 })
  expect(retryAfterMs).toBeGreaterThan(4000)
  expect(eu.peek('api', 'alice').takenByRegion).toEqual({ us: 100, eu: 0 })
  expect(eu.take('api', 'bob', 10).allowed).toBe(true)
})

test('giving back and resetting are seen in the other region', () => {
  const { made, us, eu } = cluster()
  us.take('api', 'alice', 80)
  made.advance(100)
  expect(eu.give('api', 'alice', 30).given).toBe(30)
  made.advance(100)
  expect(us.peek('api', 'alice').state.remaining).toBe(50)
  expect(eu.reset('api', 'alice').remaining).toBe(100)
  made.advance(100)
  expect(us.peek('api', 'alice').state.remaining).toBe(100)
})

test('a local limit is each region’s own', () => {
  const { made, us, eu } = cluster([{ ...api, mode: 'local' }])
  expect(us.take('api', 'alice', 60).allowed).toBe(true)
  expect(us.take('api', 'alice').allowed).toBe(false)
  made.advance(500)
  expect(eu.peek('api', 'alice').state).toMatchObject({ capacity: 40, remaining: 40 })
  expect(us.peek('api', 'alice').takenByRegion).toEqual({ us: 60 })
})

test('keys with an override have its shares, in every region, and others don’t', () => {
  const overrides = [{ keys: ['vip', 'ceo'], shares: { us: { capacity: 500, refillPerSec: 5 } } }]
  const { made, us, eu } = cluster([{ ...api, overrides }])
  expect(us.take('api', 'vip', 500).allowed).toBe(true)
  expect(us.peek('api', 'ceo').state.remaining).toBe(500)
  expect(us.peek('api', 'alice').state.remaining).toBe(100)
  made.advance(200)
  expect(eu.peek('api', 'vip').state.remaining).toBeLessThan(5)
})

describe('setLimits', () => {
  test('changes shares at once, and what is owed stays', () => {
    const { us } = cluster()
    us.take('api', 'alice', 100)
    us.setLimits([{ ...api, shares: { us: { capacity: 160, refillPerSec: 1 }, eu: shares.eu } }])
    expect(us.peek('api', 'alice').state).toMatchObject({ capacity: 200, remaining: 100 })
  })

  test('adds and removes limits; another mode is another limit', () => {
    const { us } = cluster()
    us.take('api', 'alice', 60)
    us.setLimits([
      { ...api, mode: 'local' },
      { ...api, name: 'more' },
    ])
    expect(us.limits().map(({ name }) => name)).toEqual(['api', 'more'])
    expect(us.peek('api', 'alice').state.remaining).toBe(60)
    us.setLimits([{ ...api, name: 'more' }])
    expect(() => us.take('api', 'alice')).toThrow(UnknownLimitError)
  })

  test.each([
    ['with another bound', [{ ...api, bucketsMax: 500 }]],
    ['after it was gone', []],
  ])('a limit that begins anew %s is still heard by the others', (_how, between) => {
    const { made, us, eu } = cluster()
    made.advance(2000)
    us.take('api', 'alice', 10)
    made.advance(200)
    us.setLimits(between)
    us.setLimits([{ ...api, bucketsMax: 500 }])
    us.take('api', 'alice', 5)
    made.advance(200)
    expect(eu.peek('api', 'alice').state.remaining).toBe(85)
  })

  test('a strict limit that is new waits for leases that may have been given under its name, and begins empty', () => {
    const { made, us } = cluster()
    const strict: LimitSpec = { ...api, name: 'strict', mode: 'strict' }
    us.setLimits([api, strict])
    const isAllowed = (): boolean => us.take('strict', 'alice').allowed
    made.advance(3000 - 1)
    expect(isAllowed()).toBe(false)
    made.advance(1000)
    expect(isAllowed()).toBe(false)
    made.advance(2)
    expect([isAllowed(), isAllowed()]).toEqual([true, false])
  })

  test('while regions run with different limits, what both know is still counted once', () => {
    const { made, us, eu } = cluster()
    us.setLimits([{ ...api, name: 'new' }, api])
    us.take('new', 'alice', 10)
    us.take('api', 'alice', 10)
    made.advance(200)
    expect(eu.peek('api', 'alice').state.remaining).toBe(90)
    expect(eu.replication.entriesUnknown).toBe(1)
  })
})

test('stats say what happened and what is owed', () => {
  const { made, us } = cluster()
  us.take('api', 'alice', 70)
  us.take('api', 'bob', 10)
  us.take('api', 'alice', 50)
  made.advance(100)
  expect(us.stats()).toEqual([
    expect.objectContaining({
      limit: 'api',
      buckets: 2,
      bucketsInUse: 2,
      tokenCapacity: 200,
      tokensTaken: 80,
      takesAllowed: 2,
      takesRefused: 1,
    }),
  ])
  expect(us.stats()[0]!.tokensConsumed).toBeCloseTo(80, 0)
  expect(us.peers()).toEqual([expect.objectContaining({ replica: 'eu/0', inContact: true })])
})

test('a flush sends all that is unsent, however much it is', () => {
  const big = { ...api, bucketsMax: 100_000 }
  const { made, us, eu } = cluster([big])
  for (let n = 0; n < 50_000; n++) us.take('api', `user${n}`, 50)
  us.flush()
  made.kill('us/0')
  made.advance(100)
  expect(eu.peek('api', 'user0').state.remaining).toBe(50)
  expect(eu.peek('api', 'user49999').state.remaining).toBe(50)
})

test('a strict bucket that turns short is told at once, until it was asked for; a pooled one never', () => {
  const network = new InProcessNetwork({ delayMs: () => 0, schedule: () => {} })
  let urgent = 0
  const limiter = new Limiter({
    transport: network.connect('us/0'),
    startsFresh: true,
    limits: [{ ...api, name: 'strict', mode: 'strict' }, api],
    hashKey: { lo: 1, hi: 2 },
    incarnation: 1,
    contactTimeoutMs: 600,
    nowMs: () => 0,
    onUrgent: () => urgent++,
  })
  limiter.take('api', 'alice', 60)
  limiter.take('strict', 'alice')
  expect(urgent).toBe(0)
  limiter.take('strict', 'alice', 59)
  expect(urgent).toBe(1)
  limiter.tickUrgent()
  limiter.take('strict', 'bob')
  expect(urgent).toBe(1)
})

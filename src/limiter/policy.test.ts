import { expect, test } from 'vitest'
import { KeyedHash } from '../bucket/hash.ts'
import { makePolicy, type Policy } from './policy.ts'
import type { LimitOverride, LimitSpec } from './types.ts'

const key = { lo: 11, hi: 22 }
const shares = { us: { capacity: 60, refillPerSec: 1 }, eu: { capacity: 40, refillPerSec: 1 } }
const api: LimitSpec = { name: 'api', mode: 'pooled', shares, overrides: [], bucketsMax: 1000 }

function policy(spec: LimitSpec, override?: LimitOverride): Policy {
  return makePolicy({
    spec,
    override,
    hash: new KeyedHash(key),
    idleMs: 1800,
    leaseMs: 3000,
    quietPart: 0,
    ownFromMs: 0,
    nowMs: 0,
  })
}

test('a limit has the same number in every replica, and another than other limits and its overrides have', () => {
  const override = { keys: ['vip', 'ceo'], shares }
  const numbers = [
    policy(api),
    policy({ ...api, name: 'more' }),
    policy(api, override),
    policy(api, { ...override, keys: ['vip'] }),
  ].map(({ id }) => id)
  expect(new Set(numbers).size).toBe(numbers.length)
  expect(policy({ ...api, bucketsMax: 5 }).id).toBe(numbers[0])
  expect(policy(api, { ...override, keys: ['ceo', 'vip'] }).id).toBe(numbers[2])
})

test('the number that goes over the network is no part of the key that the limit hashes with', () => {
  const hash = new KeyedHash(key)
  hash.update('api')
  expect([hash.lo >>> 0, hash.hi >>> 0]).not.toContain(policy(api).id)
})

test('the largest cost is the sum of all shares, in contact or not', () => {
  expect(policy(api).capacityMax).toBe(100)
  expect(policy(api, { keys: ['vip'], shares: { eu: { capacity: 7, refillPerSec: 1 } } }).capacityMax).toBe(7)
})

test('buckets go on under a policy of the same bound and kind only', () => {
  const before = policy(api)
  expect(before.fitsInto(policy({ ...api, shares: { us: { capacity: 1, refillPerSec: 1 } } }))).toBe(true)
  expect(before.fitsInto(policy({ ...api, bucketsMax: 999 }))).toBe(false)
  expect(before.fitsInto(policy({ ...api, mode: 'local' }))).toBe(false)
})

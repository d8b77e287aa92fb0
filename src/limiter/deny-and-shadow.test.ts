import { expect, test } from 'vitest'
import { Cluster } from '../../sim/cluster.ts'
import { KeyDeniedError } from './errors.ts'
import type { Limiter } from './limiter.ts'
import type { LimitSpec } from './types.ts'

const api: LimitSpec = {
  name: 'api',
  mode: 'pooled',
  shares: { us: { capacity: 10, refillPerSec: 1 } },
  overrides: [],
  bucketsMax: 1000,
}

function limiterOf(own: Partial<LimitSpec>): Limiter {
  const made = new Cluster({
    replicas: ['us/0'],
    limits: [{ ...api, ...own }],
    seed: 7,
    delayMs: { min: 40, max: 40 },
  })
  made.advance(1000)
  return made.limiter('us/0')
}

test('a denied key is refused whatever is left, and counted', () => {
  const us = limiterOf({ deny: ['mallory'] })
  expect(() => us.take('api', 'mallory')).toThrow(new KeyDeniedError('api'))
  expect(us.take('api', 'alice').allowed).toBe(true)
  expect(us.stats()[0]).toMatchObject({ takesDenied: 1, takesAllowed: 1, takesRefused: 0 })
})

test('in shadow mode nobody is refused, nothing more is taken, and it is counted who would have been', () => {
  const us = limiterOf({ shadow: true, deny: ['mallory'] })
  expect(us.take('api', 'alice', 10)).toMatchObject({ allowed: true, wouldRefuse: false, remaining: 0 })
  expect(us.take('api', 'alice')).toMatchObject({
    allowed: true,
    wouldRefuse: true,
    remaining: 0,
    retryAfterMs: 0,
  })
  expect(us.take('api', 'mallory')).toMatchObject({ allowed: true, wouldRefuse: true, remaining: 10 })
  const counted = { takesAllowed: 1, takesRefused: 0, takesShadowed: 2, takesDenied: 0, tokensTaken: 10 }
  expect(us.stats()[0]).toMatchObject(counted)
})

test('counts go on when a limit leaves shadow mode, and what was taken stays', () => {
  const us = limiterOf({ shadow: true })
  us.take('api', 'alice', 10)
  us.take('api', 'alice')
  us.setLimits([api])
  expect(us.take('api', 'alice').allowed).toBe(false)
  expect(us.stats()[0]).toMatchObject({ takesAllowed: 1, takesRefused: 1, takesShadowed: 1 })
})

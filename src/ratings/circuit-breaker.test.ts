import { beforeEach, expect, test } from 'vitest'
import { CircuitBreaker } from './circuit-breaker.ts'
import { StoreUnavailableError } from './errors.ts'

const away = new StoreUnavailableError('away', { retryAfterMs: 1000 })

let probes: { run: () => void; delayMs: number }[]
let storeIsAway: boolean
let changes: boolean[]
let breaker: CircuitBreaker

const work = (): Promise<string> => (storeIsAway ? Promise.reject(away) : Promise.resolve('done'))
const call = (): Promise<unknown> => breaker.call(work).catch((error: unknown) => error)
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}
const runProbe = async (): Promise<void> => {
  for (const { run } of probes.splice(0)) run()
  await settle()
}

beforeEach(() => {
  ;[probes, changes, storeIsAway] = [[], [], false]
  breaker = new CircuitBreaker({
    probe: async () => {
      await work()
    },
    onChange: (isOpen) => changes.push(isOpen),
    schedule: (run, delayMs) => {
      const entry = { run, delayMs }
      probes.push(entry)
      return () => {
        probes = probes.filter((other) => other !== entry)
      }
    },
  })
})

test('three failures in a row open it: then calls fail without a try, until a probe succeeds', async () => {
  storeIsAway = true
  for (let i = 0; i < 3; i++) expect(await call()).toBe(away)
  storeIsAway = false
  let tried = false
  const refused = await breaker.call(() => Promise.resolve((tried = true))).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(StoreUnavailableError)
  expect([tried, breaker.isOpen]).toEqual([false, true])
  await runProbe()
  expect(await call()).toBe('done')
  expect(changes).toEqual([true, false])
})

test('failures with a success between them leave it closed', async () => {
  for (let i = 0; i < 5; i++) {
    storeIsAway = i % 3 !== 2
    await call()
  }
  expect(breaker.isOpen).toBe(false)
})

test('an error that says nothing about the store counts as an answer', async () => {
  for (let i = 0; i < 5; i++) await breaker.call(() => Promise.reject(new Error('bad data'))).catch(() => {})
  expect(breaker.isOpen).toBe(false)
})

test('probes find out that the store is away while nobody calls, and go on more often then, one at a time', async () => {
  expect(probes.map(({ delayMs }) => delayMs)).toEqual([2000])
  storeIsAway = true
  for (let i = 0; i < 3; i++) await runProbe()
  expect(breaker.isOpen).toBe(true)
  expect(probes.map(({ delayMs }) => delayMs)).toEqual([250])
  await runProbe()
  expect(probes).toHaveLength(1)
})

test('stopped, it probes no more', () => {
  breaker.stop()
  expect(probes).toEqual([])
})

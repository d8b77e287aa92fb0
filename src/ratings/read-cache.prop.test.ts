import fc from 'fast-check'
import { expect, test } from 'vitest'
import { StoreUnavailableError } from './errors.ts'
import { ReadCache, SharedByCaches, type ReadCacheOptions } from './read-cache.ts'
import type { Read } from './types.ts'

const settings: ReadCacheOptions = {
  maxEntries: 100,
  maxBytes: 1_000_000,
  ttlMs: 100,
  staleMs: 200,
  staleIfErrorMs: 300,
}

/** Loads that are under way end when they are told to, with the value that was there when they looked. */
interface Loading {
  readonly seen: number
  readonly end: (fails: boolean) => void
}

const step = fc.oneof(
  { arbitrary: fc.record({ do: fc.constant('read' as const), latest: fc.boolean() }), weight: 4 },
  { arbitrary: fc.record({ do: fc.constant('change' as const) }), weight: 2 },
  {
    arbitrary: fc.record({ do: fc.constant('end' as const), at: fc.nat(5), fails: fc.boolean() }),
    weight: 4,
  },
  { arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(250) }), weight: 2 },
)

test('in any order of reads, changes and failures no read answers what was outdated when it began, unless it says so', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      let [nowMs, version, newestAnswer] = [0, 0, 0]
      const cache = new ReadCache<number>(
        { ...settings, nowMs: () => nowMs },
        { bytesOf: () => 8, shared: new SharedByCaches() },
      )
      const loads: Loading[] = []
      const load = (): Promise<number> =>
        new Promise((resolve, reject) => {
          const seen = version
          const end = (fails: boolean): void =>
            fails ? reject(new StoreUnavailableError('down', { retryAfterMs: 1000 })) : resolve(seen)
          loads.push({ seen, end })
        })
      const answers: Promise<void>[] = []
      const check = async (read: Promise<Read<number>>): Promise<void> => {
        const [atLeast, known, beganMs] = [version, newestAnswer, nowMs]
        const answer = await read.catch((error: unknown) => error)
        if (answer instanceof StoreUnavailableError) return
        const { value, result, ageMs } = answer as Read<number>
        newestAnswer = Math.max(newestAnswer, value)
        expect(value).toBeGreaterThanOrEqual(result === 'away' ? known : atLeast)
        const ageAtStartMs = ageMs - (nowMs - beganMs)
        if (result === 'away') expect(ageAtStartMs).toBeLessThan(settings.ttlMs + settings.staleIfErrorMs)
        if (result === 'hit') expect(ageAtStartMs).toBeLessThan(settings.ttlMs)
      }
      for (const one of steps) {
        nowMs += 0.001
        if (one.do === 'read') answers.push(check(cache.read('key', load, one.latest)))
        else if (one.do === 'wait') nowMs += one.ms
        else if (one.do === 'end') loads.splice(one.at % (loads.length || 1), 1)[0]?.end(one.fails)
        else {
          version++
          cache.outdate('key')
        }
        // Lets answers come before the next step.
        for (let turn = 0; turn < 8; turn++) await Promise.resolve()
      }
      while (loads.length > 0) for (const { end } of loads.splice(0)) end(false)
      await Promise.all(answers)
    }),
    { numRuns: 500 },
  )
})

test('entries and bytes are bounded: the least recently read go', async () => {
  const cache = new ReadCache<string>(
    { ...settings, maxEntries: 50, maxBytes: 10_000 },
    { bytesOf: (text) => 2 * text.length, shared: new SharedByCaches() },
  )
  for (let n = 0; n < 200; n++) await cache.read(`key${n}`, () => Promise.resolve(''))
  expect(cache.size).toBeLessThanOrEqual(50)
  for (let n = 0; n < 200; n++) await cache.read(`long${n}`, () => Promise.resolve('x'.repeat(1000)))
  expect(cache.size).toBeLessThanOrEqual(4)
  const large = await cache.read('large', () => Promise.resolve('x'.repeat(10_000)))
  expect(large.value).toHaveLength(10_000)
  expect(cache.size).toBeLessThanOrEqual(4)
})

import { beforeEach, describe, expect, test } from 'vitest'
import { StoreUnavailableError } from './errors.ts'
import type { Change } from './invalidation.ts'
import { RatingsService } from './ratings-service.ts'
import type { RatingStore } from './store.ts'
import { openTestStore } from './store.testing.ts'
import { pageLimitDefault, type Page, type Rating, type Read, type ReadResult } from './types.ts'

const database = await openTestStore()
let subjects = 0

/** The real store, with a hand on it: reads can be held back, counted, and made to fail. */
class Watched implements RatingStore {
  reads = 0
  fails = false
  stuck = false
  held: (() => void)[] | undefined

  async #read<T>(read: () => Promise<T>): Promise<T> {
    this.reads++
    if (this.stuck) return new Promise(() => {})
    if (this.fails) throw new StoreUnavailableError('down', { retryAfterMs: 1000 })
    const value = await read()
    if (this.held) await new Promise<void>((resolve) => this.held!.push(resolve))
    return value
  }

  putMany: RatingStore['putMany'] = (writes) => database.putMany(writes)
  remove: RatingStore['remove'] = (subject, user) => database.remove(subject, user)
  list: RatingStore['list'] = (subject, query) => this.#read(() => database.list(subject, query))
  find: RatingStore['find'] = (subject, user) => this.#read(() => database.find(subject, user))
  scores: RatingStore['scores'] = (subject) => this.#read(() => database.scores(subject))
  forgetBefore: RatingStore['forgetBefore'] = (time) => database.forgetBefore(time)
  ping: RatingStore['ping'] = () => database.ping()
  close: RatingStore['close'] = () => Promise.resolve()
}

let store: Watched
let service: RatingsService
let told: Change[]
let nowMs: number
let subject: string

beforeEach(() => {
  subject = `subject${subjects++}`
  store = new Watched()
  told = []
  nowMs = 1000
  service = new RatingsService({
    store,
    groupCommit: { maxDelayMs: 1, batchMax: 100, inFlightMax: 2, queueMax: 1000 },
    cache: {
      maxEntries: 100,
      maxBytes: 1_000_000,
      ttlMs: 30_000,
      staleMs: 300_000,
      staleIfErrorMs: 600_000,
      nowMs: () => nowMs,
    },
    bayesian: { priorMean: 3, priorWeight: 5 },
    onChanged: (changes) => told.push(...changes),
  })
})

const rate = (user: string, score: number): Promise<unknown> =>
  service.rate({ subject, user, score, comment: null })
const count = async (): Promise<number> => (await service.summary(subject)).value.count
const none: Record<ReadResult, number> = { hit: 0, stale: 0, away: 0, miss: 0, collapsed: 0, bypass: 0 }

test('a summary has the count, the mean, the mean drawn to the prior, and the histogram', async () => {
  await Promise.all([rate('a', 5), rate('b', 4), rate('c', 5)])
  expect((await service.summary(subject)).value).toEqual({
    subject,
    count: 3,
    mean: 14 / 3,
    bayesianMean: (5 * 3 + 14) / (5 + 3),
    histogram: { 1: 0, 2: 0, 3: 0, 4: 1, 5: 2 },
  })
  const unheardOf = { count: 0, mean: null, bayesianMean: 3 }
  expect((await service.summary('unheard of')).value).toMatchObject(unheardOf)
})

describe('cache', () => {
  const firstPage = (): Promise<Read<Page<Rating>>> => service.list(subject, { limit: pageLimitDefault })
  const reads: Record<string, () => Promise<Read<unknown>>> = {
    'a summary': () => service.summary(subject),
    'one rating': () => service.find(subject, 'a'),
    'the first page': firstPage,
  }

  test.each(Object.entries(reads))(
    'a thousand readers of %s at once make one query, and so do a thousand after a change',
    async (_name, read) => {
      const herd = async (): Promise<ReadResult[]> => {
        const answers = await Promise.all(Array.from({ length: 1000 }, read))
        return [...new Set(answers.map(({ result }) => result))]
      }
      expect(await herd()).toEqual(['miss', 'collapsed'])
      expect(store.reads).toBe(1)
      expect(await herd()).toEqual(['hit'])
      expect(store.reads).toBe(1)
      await rate('a', 5)
      expect(await herd()).toEqual(['miss', 'collapsed'])
      expect(store.reads).toBe(2)
      expect(service.stats().cacheReads).toEqual({ ...none, hit: 1000, miss: 2, collapsed: 1998 })
    },
  )

  test('a write is seen by the next read of its edge, and other regions are told', async () => {
    expect(await count()).toBe(0)
    expect(await service.find(subject, 'a')).toMatchObject({ value: undefined })
    expect((await firstPage()).value.items).toEqual([])
    await rate('a', 5)
    expect(await count()).toBe(1)
    expect(await service.find(subject, 'a')).toMatchObject({ value: { score: 5 }, result: 'miss' })
    expect((await firstPage()).value.items).toHaveLength(1)
    await service.remove(subject, 'a')
    expect(await count()).toBe(0)
    expect((await firstPage()).value.items).toEqual([])
    expect(told).toEqual([
      { subject, user: 'a' },
      { subject, user: 'a' },
    ])
  })

  test('a read that began before a write does not put the old value back', async () => {
    store.held = []
    const early = service.summary(subject)
    await expect.poll(() => store.held!.length).toBe(1)
    const release = store.held
    store.held = undefined
    await rate('a', 5)
    // Nobody waits for the read that missed the write.
    expect(await count()).toBe(1)
    for (const resume of release) resume()
    expect(await early).toMatchObject({ value: { count: 0 } })
    expect(await count()).toBe(1)
    expect(store.reads).toBe(2)
  })

  test('news of another region is seen, and what nobody told of when its time is up', async () => {
    await count()
    await database.putMany([{ subject, user: 'far away', score: 1, comment: null }])
    expect(await count()).toBe(0)
    service.invalidate([{ subject, user: 'far away' }])
    expect(await count()).toBe(1)
    await database.putMany([{ subject, user: 'further', score: 1, comment: null }])
    // Stale: served once more, while it is read anew.
    nowMs += 31_000
    const stale = await service.summary(subject)
    expect(stale).toMatchObject({ value: { count: 1 }, result: 'stale', ageMs: 31_000, ttlMs: -1000 })
    await expect.poll(count).toBe(2)
  })

  test('who wants the latest is not served from memory', async () => {
    await count()
    await database.putMany([{ subject, user: 'far away', score: 1, comment: null }])
    expect(await service.summary(subject, { latest: true })).toMatchObject({ value: { count: 1 } })
    expect(await count()).toBe(1)
  })
})

describe('while the store is away', () => {
  beforeEach(async () => {
    await rate('a', 5)
    await count()
    store.fails = true
  })

  test('what is cached is still served and said to be old, until it is too old', async () => {
    expect(await service.summary(subject)).toMatchObject({ result: 'hit' })
    nowMs += 400_000
    const old = { value: { count: 1 }, result: 'away', ageMs: 400_000, ttlMs: -370_000 }
    expect(await service.summary(subject)).toMatchObject(old)
    await expect(service.summary('something else')).rejects.toThrow(StoreUnavailableError)
    await expect(service.summary(subject, { latest: true })).rejects.toThrow(StoreUnavailableError)
    nowMs += 300_000
    await expect(service.summary(subject)).rejects.toThrow(StoreUnavailableError)
  })

  test('so is what a change has made outdated, and one read at a time asks for it anew', async () => {
    service.invalidate([{ subject, user: 'far away' }])
    expect(await service.summary(subject)).toMatchObject({ value: { count: 1 }, result: 'away', ttlMs: 0 })
    const before = store.reads
    store.stuck = true
    const answers = await Promise.all(Array.from({ length: 1000 }, () => service.summary(subject)))
    expect(answers.every(({ result }) => result === 'away')).toBe(true)
    expect(store.reads).toBe(before + 1)
  })

  test('a store that is back is found by reading, and by a write at once', async () => {
    service.invalidate([{ subject, user: 'far away' }])
    expect(await service.summary(subject)).toMatchObject({ result: 'away' })
    store.fails = false
    expect(await service.summary(subject)).toMatchObject({ result: 'away' })
    await expect.poll(() => service.summary(subject)).toMatchObject({ result: 'hit' })
    store.fails = true
    service.invalidate([{ subject, user: 'far away' }])
    expect(await service.summary(subject)).toMatchObject({ result: 'away' })
    store.fails = false
    await rate('b', 5)
    expect(await service.summary(subject)).toMatchObject({ value: { count: 2 }, result: 'miss' })
  })
})

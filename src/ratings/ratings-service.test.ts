import { beforeEach, describe, expect, test } from 'vitest'
import { StoreUnavailableError } from './errors.ts'
import type { Change } from './invalidation.ts'
import { RatingsService } from './ratings-service.ts'
import type { RatingStore } from './store.ts'
import { openTestStore } from './store.testing.ts'

const database = await openTestStore()
let subjects = 0

/** The real store, with a hand on it: reads can be held back, counted, and made to fail. */
class Watched implements RatingStore {
  reads = 0
  fails = false
  held: (() => void)[] | undefined

  async #read<T>(read: () => Promise<T>): Promise<T> {
    this.reads++
    if (this.fails) throw new StoreUnavailableError('down', { retryAfterMs: 1000 })
    const value = await read()
    if (this.held) await new Promise<void>((resolve) => this.held!.push(resolve))
    return value
  }

  putMany: RatingStore['putMany'] = (writes) => database.putMany(writes)
  remove: RatingStore['remove'] = (subject, user) => database.remove(subject, user)
  list: RatingStore['list'] = (subject, query) => database.list(subject, query)
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
    cache: { maxEntries: 100, ttlMs: 30_000, staleMs: 300_000, nowMs: () => nowMs },
    bayesian: { priorMean: 3, priorWeight: 5 },
    onChanged: (changes) => told.push(...changes),
  })
})

const rate = (user: string, score: number): Promise<unknown> =>
  service.rate({ subject, user, score, comment: null })

test('a summary has the count, the mean, the mean drawn to the prior, and the histogram', async () => {
  await Promise.all([rate('a', 5), rate('b', 4), rate('c', 5)])
  expect(await service.summary(subject)).toEqual({
    subject,
    count: 3,
    mean: 14 / 3,
    bayesianMean: (5 * 3 + 14) / (5 + 3),
    histogram: { 1: 0, 2: 0, 3: 0, 4: 1, 5: 2 },
  })
  expect(await service.summary('unheard of')).toMatchObject({ count: 0, mean: null, bayesianMean: 3 })
})

describe('cache', () => {
  test('a thousand readers at once make one query, and later ones none', async () => {
    await Promise.all(Array.from({ length: 1000 }, () => service.summary(subject)))
    expect(store.reads).toBe(1)
    await service.summary(subject)
    expect(store.reads).toBe(1)
    expect(service.stats()).toMatchObject({ cacheMisses: 1 })
  })

  test('a write is seen by the next read of its region, and other regions are told', async () => {
    expect(await service.summary(subject)).toMatchObject({ count: 0 })
    expect(await service.find(subject, 'a')).toBeUndefined()
    await rate('a', 5)
    expect(await service.summary(subject)).toMatchObject({ count: 1 })
    expect(await service.find(subject, 'a')).toMatchObject({ score: 5 })
    await service.remove(subject, 'a')
    expect(await service.summary(subject)).toMatchObject({ count: 0 })
    expect(told).toEqual([
      { subject, user: 'a' },
      { subject, user: 'a' },
    ])
  })

  test('a read that began before a write does not put the old value back', async () => {
    store.held = []
    const early = service.summary(subject)
    await expect.poll(() => store.held!.length).toBe(1)
    await rate('a', 5)
    const release = store.held
    store.held = undefined
    for (const resume of release) resume()
    await early
    expect(await service.summary(subject)).toMatchObject({ count: 1 })
  })

  test('news of another region is seen, and what nobody told of when its time is up', async () => {
    await service.summary(subject)
    await database.putMany([{ subject, user: 'far away', score: 1, comment: null }])
    expect(await service.summary(subject)).toMatchObject({ count: 0 })
    service.invalidate([{ subject, user: 'far away' }])
    expect(await service.summary(subject)).toMatchObject({ count: 1 })
    await database.putMany([{ subject, user: 'further', score: 1, comment: null }])
    // Stale: served once more, while it is read anew.
    nowMs += 31_000
    expect(await service.summary(subject)).toMatchObject({ count: 1 })
    await expect.poll(() => service.summary(subject)).toMatchObject({ count: 2 })
  })

  test('while the store is away what is cached is still served, until it is too old', async () => {
    await rate('a', 5)
    await service.summary(subject)
    store.fails = true
    nowMs += 200_000
    expect(await service.summary(subject)).toMatchObject({ count: 1 })
    expect(await service.summary(subject)).toMatchObject({ count: 1 })
    await expect(service.summary('something else')).rejects.toThrow(StoreUnavailableError)
    nowMs += 200_000
    await expect(service.summary(subject)).rejects.toThrow(StoreUnavailableError)
  })
})

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { StoreUnavailableError } from '../ratings/errors.ts'
import type { RatingsApi, RatingWrite } from '../ratings/types.ts'
import type { RatingStore } from '../ratings/store.ts'
import { makeTestApp, type TestApp } from './app.testing.ts'
import { openTestStore } from '../ratings/store.testing.ts'

let store: RatingStore
let api: TestApp
let subjects = 0
let subject: string

beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())
beforeEach(() => {
  api = makeTestApp(store)
  subject = `kept${subjects++}`
})

const rate = (key: string, score: number, { user = 'alice', path = '/v1/ratings' } = {}): Promise<Response> =>
  api.send('POST', `${path}?user=${user}`, {
    json: { subject, score },
    headers: { 'idempotency-key': key },
  })
const typeOf = async (answer: Response): Promise<string> =>
  ((await answer.json()) as { type: string }).type.replace('/docs#problem-', '')

describe('Idempotency-Key', () => {
  test('a repeated request gets the answer of the first, though the rating has changed since', async () => {
    const first = await rate('"a key"', 2)
    await rate('"another"', 5)
    const again = await rate('"a key"', 2)
    expect([again.status, await again.json()]).toEqual([201, await first.json()])
    const now = await api.send('GET', `/v1/subjects/${subject}/ratings/alice`)
    expect(await now.json()).toMatchObject({ score: 5 })
  })

  test('with another body it is 422; another user may have the same key', async () => {
    const key = `"${subject}"`
    await rate(key, 2)
    const other = await rate(key, 3)
    expect([other.status, await typeOf(other)]).toEqual([422, 'idempotency-key-reused'])
    expect((await rate(key, 3, { user: 'bob' })).status).toBe(201)
  })

  test('it may come without quotes, and the handler of the guide honours it, too', async () => {
    const key = `bare-${subject}`
    expect((await rate(key, 4, { path: '/rating' })).status).toBe(200)
    expect((await rate(`"${key}"`, 1, { path: '/rating' })).status).toBe(422)
  })

  test.each(['""', '"', 'a b', '"☕"', '"a"b"', `"${'x'.repeat(256)}"`, '"a", "b"'])(
    '%j is not one',
    async (key) => {
      const answer = await rate(Buffer.from(key).toString('latin1'), 4)
      expect([answer.status, await typeOf(answer)]).toEqual([400, 'idempotency-key-malformed'])
    },
  )
})

describe('while the store is away', () => {
  const outage = (rated: () => ReturnType<RatingsApi['rate']>): RatingWrite[] => {
    const given: RatingWrite[] = []
    const nothing = (): Promise<never> => Promise.reject(new Error('not asked for'))
    const ratings: RatingsApi = {
      rate: (write) => {
        given.push(write)
        return rated()
      },
      remove: nothing,
      find: nothing,
      list: nothing,
      summary: nothing,
    }
    api = makeTestApp(store, { ratings })
    return given
  }
  const remaining = async (): Promise<unknown> => {
    const bucket = await api.send('GET', '/v1/limits/ratings/buckets/alice')
    return ((await bucket.json()) as { remaining: number }).remaining
  }

  test.each(['/v1/ratings', '/rating'])(
    '%s answers 202 for what is queued, and keeps the token',
    async (path) => {
      const given = outage(() => Promise.resolve({ status: 'queued' }))
      const answer = await rate('"k"', 4, { path })
      expect([answer.status, await answer.json()]).toEqual([202, { status: 'queued' }])
      expect(answer.headers.get('ratelimit')).toMatch(/r=9/)
      expect(given).toEqual([{ subject, user: 'alice', score: 4, comment: null, idempotencyKey: 'k' }])
    },
  )

  test('503 with Retry-After for what is neither stored nor queued, and the token comes back', async () => {
    outage(() => Promise.reject(new StoreUnavailableError('full', { retryAfterMs: 2500 })))
    const answer = await rate('"k"', 4)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '3'])
    expect(await remaining()).toBe(10)
  })
})

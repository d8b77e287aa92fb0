import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { StoreUnavailableError } from '../ratings/errors.ts'
import type { RatingStore } from '../ratings/store.ts'
import { openTestStore } from '../ratings/store.testing.ts'
import { operations } from './app.ts'
import { makeTestApp, type TestApp } from './app.testing.ts'
import { problems } from './problems.ts'

let store: RatingStore
let api: TestApp
let count = 0
let subject: string

beforeAll(async () => {
  store = await openTestStore()
})
afterAll(() => store.close())
beforeEach(() => {
  api = makeTestApp(store)
  subject = `subject${count++}`
})

const rate = (body: unknown, user = 'alice'): Promise<Response> =>
  api.send('POST', `/v1/ratings?user=${user}`, { json: body })

/** The problem document of an answer, checked for its form. */
async function problemOf(answer: Response): Promise<Record<string, unknown>> {
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  const problem = (await answer.json()) as Record<string, unknown>
  expect(problem).toMatchObject({
    status: answer.status,
    title: expect.any(String),
    detail: expect.any(String),
  })
  expect(Object.keys(problems)).toContain(String(problem['type']).replace('/docs#problem-', ''))
  expect(problem['instance']).toBe(`urn:request:${answer.headers.get('x-request-id')}`)
  return problem
}

describe('ratings', () => {
  test('a rating is stored and answered, with what is left of the limit', async () => {
    const answer = await rate({ subject, score: 4, comment: 'Good.\nAgain.' })
    expect(answer.status).toBe(201)
    expect(await answer.json()).toEqual({
      subject,
      user: 'alice',
      score: 4,
      comment: 'Good.\nAgain.',
      createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
      updatedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    })
    expect(answer.headers.get('ratelimit-policy')).toBe('"ratings";q=10;w=20')
    expect(answer.headers.get('ratelimit')).toBe('"ratings";r=9;t=2')
  })

  test("the guide's handler answers as in the guide", async () => {
    const answer = await api.send('POST', '/rating?user=alice', { json: { subject, score: 4 } })
    expect([answer.status, await answer.json()]).toEqual([200, { status: 'ok' }])
  })

  test('a user out of tokens gets 429 with Retry-After, and nothing is stored', async () => {
    for (let score = 1; score <= 10; score++) await rate({ subject: `${subject}-${score}`, score: 3 })
    const answer = await rate({ subject, score: 3 })
    expect(answer.status).toBe(429)
    expect(answer.headers.get('retry-after')).toBe('2')
    expect(answer.headers.get('ratelimit')).toBe('"ratings";r=0;t=20')
    expect(await problemOf(answer)).toMatchObject({ type: '/docs#problem-rate-limited' })
    expect(await store.scores(subject)).toMatchObject({ count: 0 })
    expect((await rate({ subject, score: 3 }, 'bob')).status).toBe(201)
  })

  test('summary, page, one rating and its removal', async () => {
    for (const user of ['a', 'b', 'c/d ☕']) await rate({ subject, score: 5 }, encodeURIComponent(user))
    const path = `/v1/subjects/${subject}`
    expect(await (await api.send('GET', path)).json()).toMatchObject({ count: 3, mean: 5 })
    const page = (await (await api.send('GET', `${path}/ratings?limit=2`)).json()) as {
      items: unknown[]
      nextCursor: string
    }
    expect(page.items).toHaveLength(2)
    const next = (await (
      await api.send('GET', `${path}/ratings?limit=2&cursor=${page.nextCursor}`)
    ).json()) as typeof page
    expect([next.items.length, next.nextCursor]).toEqual([1, null])
    const one = `${path}/ratings/${encodeURIComponent('c/d ☕')}`
    expect(await (await api.send('GET', one)).json()).toMatchObject({ user: 'c/d ☕' })
    expect((await api.send('DELETE', `${one}?user=${encodeURIComponent('c/d ☕')}`)).status).toBe(204)
    expect((await api.send('GET', one)).status).toBe(404)
    expect((await api.send('DELETE', one)).status).toBe(404)
  })

  test('while the store is unavailable the caller gets 503 with Retry-After, and his tokens back', async () => {
    const away: RatingStore = {
      putMany: () => Promise.reject(new StoreUnavailableError('down', { retryAfterMs: 1500 })),
      remove: (...given) => store.remove(...given),
      find: (...given) => store.find(...given),
      list: (...given) => store.list(...given),
      scores: (...given) => store.scores(...given),
      forgetBefore: (...given) => store.forgetBefore(...given),
      ping: () => store.ping(),
      close: () => Promise.resolve(),
    }
    api = makeTestApp(away)
    const answer = await rate({ subject, score: 3 })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2'])
    expect(await problemOf(answer)).toMatchObject({ type: '/docs#problem-store-unavailable' })
    expect(await (await api.send('GET', '/v1/limits/ratings/buckets/alice')).json()).toMatchObject({
      remaining: 10,
    })
  })
})

describe('limits', () => {
  const take = (json: unknown, limit = 'ratings'): Promise<Response> =>
    api.send('POST', `/v1/limits/${limit}/take`, { json })

  test('taking answers the decision, and 429 when nothing is left', async () => {
    const answer = await take({ key: 'bob', cost: 8 })
    expect(await answer.json()).toEqual({
      allowed: true,
      limit: 'ratings',
      capacity: 10,
      refillPerSec: 0.5,
      remaining: 2,
      resetMs: 16_000,
    })
    const refused = await take({ key: 'bob', cost: 3 })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2'])
  })

  test('giving back, reading and resetting', async () => {
    await take({ key: 'bob', cost: 8 })
    const given = await api.send('POST', '/v1/limits/ratings/give', { json: { key: 'bob', tokens: 3 } })
    expect(await given.json()).toMatchObject({ given: 3, remaining: 5 })
    const bucket = '/v1/limits/ratings/buckets/bob'
    expect(await (await api.send('GET', bucket)).json()).toMatchObject({
      remaining: 5,
      takenByRegion: { 'us-east-1': 5 },
    })
    expect(await (await api.send('DELETE', bucket)).json()).toMatchObject({ remaining: 10 })
  })

  test('an unknown limit is 404, and says which there are', async () => {
    const problem = await problemOf(await take({ key: 'bob' }, 'rating'))
    expect(problem).toMatchObject({ status: 404, detail: 'unknown limit "rating"; known: ratings' })
  })

  test('a cost above the whole limit is 422', async () => {
    expect(await problemOf(await take({ key: 'bob', cost: 11 }))).toMatchObject({
      status: 422,
      detail: 'cost 11 is not allowed; allowed: a whole number from 1 to 10',
    })
  })
})

describe('wrong requests', () => {
  const score = '/score'
  test.each([
    [
      'score 6',
      { score: 6 },
      [{ pointer: score, detail: '6 is not allowed; allowed: a whole number from 1 to 5' }],
    ],
    [
      'a score with a fraction',
      { score: 1.5 },
      [{ pointer: score, detail: '1.5 is not allowed; allowed: a whole number from 1 to 5' }],
    ],
    [
      'a missing score',
      { score: undefined },
      [{ pointer: score, detail: 'missing; allowed: a whole number from 1 to 5' }],
    ],
    ['an unknown field', { 'a/b~c': 1 }, [{ pointer: '/a~1b~0c', detail: 'there is no such field' }]],
    [
      'a subject with NUL',
      { subject: 'a\0b' },
      [{ pointer: '/subject', detail: expect.stringContaining('"a\\u0000b" is not allowed') }],
    ],
    [
      'half a surrogate pair',
      { comment: '\ud800' },
      [{ pointer: '/comment', detail: expect.stringContaining('is not allowed') }],
    ],
    [
      'a comment of 3,000 characters',
      { comment: 'x'.repeat(3000) },
      [
        {
          pointer: '/comment',
          detail: expect.stringMatching(/^"x{63}… is not allowed; allowed: up to 2000/),
        },
      ],
    ],
  ])('%s is 422, and says which field, its value and what is allowed', async (_name, wrong, errors) => {
    const answer = await rate({ subject, score: 3, ...wrong })
    expect(answer.status).toBe(422)
    expect((await problemOf(answer))['errors']).toEqual(errors)
  })

  test('all that is wrong is said at once', async () => {
    const problem = await problemOf(await rate({ subject: '', score: 'x', stars: 1 }))
    expect((problem['errors'] as { pointer: string }[]).map(({ pointer }) => pointer).toSorted()).toEqual([
      '/score',
      '/stars',
      '/subject',
    ])
  })

  test.each([
    ['cut short', '{"subject": ', 400, 'malformed-json'],
    ['empty', '', 400, 'malformed-json'],
    ['a number', '7', 422, 'invalid'],
    ['with __proto__', '{"subject":"a","score":3,"__proto__":{"admin":true}}', 422, 'invalid'],
  ])('a body that is %s', async (_name, body, status, code) => {
    const problem = await problemOf(await api.send('POST', '/v1/ratings?user=alice', { body }))
    expect(problem).toMatchObject({ status, type: `/docs#problem-${code}` })
  })

  test('a body that is too large is 413, whether it says its length or not', async () => {
    const large = JSON.stringify({ subject, score: 3, comment: 'x'.repeat(2_000_000) })
    expect((await problemOf(await api.send('POST', '/v1/ratings?user=a', { body: large })))['status']).toBe(
      413,
    )
    let pulled = 0
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulled++
        controller.enqueue(new Uint8Array(10_000))
      },
    })
    expect((await problemOf(await api.send('POST', '/v1/ratings?user=a', { body: endless })))['status']).toBe(
      413,
    )
    expect(pulled).toBeLessThan(12)
  })

  test('a body that breaks off is the caller’s affair, and no error here', async () => {
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error('aborted')),
    })
    const answer = await api.send('POST', '/v1/ratings?user=a', { body: broken })
    expect(await problemOf(answer)).toMatchObject({
      status: 400,
      detail: 'the body did not arrive as a whole',
    })
    expect(api.errors).toEqual([])
  })

  test('another content type is 415', async () => {
    const headers = { 'content-type': 'text/plain' }
    expect(
      (await problemOf(await api.send('POST', '/v1/ratings?user=a', { body: '{}', headers })))['status'],
    ).toBe(415)
  })

  test('without ?user= nobody knows whose rating it is', async () => {
    const answer = await api.send('POST', '/v1/ratings', { json: { subject, score: 3 } })
    expect(await problemOf(answer)).toMatchObject({ status: 400, type: '/docs#problem-identity-missing' })
  })

  test.each([
    ['/v1/subjects/%zz', 400],
    ['/v1/subjects/%ff', 400],
    [`/v1/subjects/${'x'.repeat(257)}`, 422],
    ['/v1/subjects/a%00b', 422],
    ['/v1/subjects/a/ratings?limit=0', 422],
    ['/v1/subjects/a/ratings?limit=many', 422],
    ['/v1/subjects/a/ratings?cursor=made-up', 422],
    ['/nothing/here', 404],
  ])('GET %s is %i', async (path, status) => {
    expect((await problemOf(await api.send('GET', path)))['status']).toBe(status)
  })

  test('another method is 405, and says which there are', async () => {
    const answer = await api.send('PUT', '/v1/subjects/a/ratings/b')
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, DELETE, HEAD'])
    await problemOf(answer)
  })

  test('an error that nobody expected is 500, told to the log and not to the caller', async () => {
    const secret = new Error('secret')
    api = makeTestApp(store, {
      metrics: () => {
        throw secret
      },
    })
    const answer = await api.send('GET', '/metrics')
    expect(JSON.stringify(await problemOf(answer))).not.toContain('secret')
    expect([answer.status, api.errors]).toEqual([500, [secret]])
  })

  test('whatever is sent, the answer is no 500, and an error is a problem document', async () => {
    const paths = fc.oneof(
      fc.constantFrom(...operations.map(({ path }) => path.replaceAll(/\{\w+\}/g, 'x'))),
      fc.webPath(),
      fc.string().map((text) => `/v1/subjects/${encodeURIComponent(text.toWellFormed())}`),
    )
    const bodies = fc.oneof(
      fc.json(),
      fc.string(),
      fc
        .record({ subject: fc.string(), score: fc.integer(), key: fc.string() })
        .map((value) => JSON.stringify(value)),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'POST', 'DELETE', 'PUT', 'HEAD'),
        paths,
        bodies,
        async (method, path, body) => {
          const withBody = method === 'POST' || method === 'PUT'
          const answer = await api.send(method, `${path}?user=u`, withBody ? { body } : {})
          expect(answer.status).toBeLessThan(500)
          if (answer.status >= 400 && method !== 'HEAD') await problemOf(answer)
        },
      ),
      { numRuns: 400 },
    )
    expect(api.errors).toEqual([])
  })
})

describe('service', () => {
  test('health, readiness and metrics', async () => {
    expect(await (await api.send('GET', '/health')).json()).toEqual({ status: 'ok' })
    expect((await api.send('HEAD', '/health')).status).toBe(200)
    expect(await (await api.send('GET', '/ready')).json()).toEqual({
      status: 'ready',
      checks: { store: 'answers' },
    })
    const metrics = await api.send('GET', '/metrics')
    expect([await metrics.text(), metrics.headers.get('content-type')]).toEqual([
      'up 1\n',
      'text/plain; version=0.0.4',
    ])
    api = makeTestApp(store, { ready: () => ({ ready: false, checks: { store: 'does not answer' } }) })
    expect((await api.send('GET', '/ready')).status).toBe(503)
  })

  test('a request keeps its own id if it has a decent one', async () => {
    const id = async (given: string): Promise<string | null> =>
      (await api.send('GET', '/health', { headers: { 'x-request-id': given } })).headers.get('x-request-id')
    expect(await id('abc-1.2_3')).toBe('abc-1.2_3')
    expect(await id('no spaces, please')).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('each request is observed once, by a route that callers can’t invent', async () => {
    await api.send('GET', `/v1/subjects/${subject}`)
    await api.send('GET', `/anything/${subject}`)
    await api.send('PUT', '/health')
    expect(api.finished.map(({ route, status }) => [route, status])).toEqual([
      ['/v1/subjects/{subject}', 200],
      ['unmatched', 404],
      ['unmatched', 405],
    ])
  })
})

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { StoreUnavailableError } from '../ratings/errors.ts'
import type { RatingStore } from '../ratings/store.ts'
import { openTestStore } from '../ratings/store.testing.ts'
import { makeTestApp, type TestApp } from './app.testing.ts'

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
  subject = `read${count++}`
})

const rate = (body: unknown, user = 'alice'): Promise<Response> =>
  api.send('POST', `/v1/ratings?user=${user}`, { json: body })

const headersOf = ({ headers }: Response): (string | null)[] =>
  ['cache-status', 'age', 'cache-control'].map((name) => headers.get(name))
const own = 'private, no-cache'
const latest = { headers: { 'cache-control': 'no-cache' } }

test('they say how the cache answered', async () => {
  await rate({ subject, score: 5 })
  for (const path of ['', '/ratings', '/ratings/alice'].map((end) => `/v1/subjects/${subject}${end}`)) {
    expect(headersOf(await api.send('GET', path))).toEqual(['openclaw; fwd=miss', null, own])
    expect(headersOf(await api.send('GET', path))).toEqual(['openclaw; hit; ttl=29', '0', own])
    expect(headersOf(await api.send('GET', path, latest))).toEqual(['openclaw; fwd=request', null, own])
  }
  const page = await api.send('GET', `/v1/subjects/${subject}/ratings?limit=2`)
  expect(headersOf(page)).toEqual(['openclaw; fwd=bypass', null, own])
  const nobody = await api.send('GET', `/v1/subjects/${subject}/ratings/nobody`)
  expect([nobody.status, ...headersOf(nobody)]).toEqual([404, 'openclaw; fwd=miss', null, own])
})

test('while the store is away they are answered from the cache, and say that they are old', async () => {
  await rate({ subject, score: 5 })
  let away = false
  const scores: RatingStore['scores'] = async (of) => {
    if (away) throw new StoreUnavailableError('down', { retryAfterMs: 1500 })
    return store.scores(of)
  }
  api = makeTestApp({
    putMany: () => Promise.reject(new StoreUnavailableError('down', { retryAfterMs: 1500 })),
    remove: (...given) => store.remove(...given),
    find: (...given) => store.find(...given),
    list: (...given) => store.list(...given),
    scores,
    forgetBefore: (time) => store.forgetBefore(time),
    ping: () => store.ping(),
    close: () => Promise.resolve(),
  })
  const path = `/v1/subjects/${subject}`
  await api.send('GET', path)
  away = true
  // This may have been stored, so what is cached may be outdated.
  expect((await rate({ subject, score: 1 })).status).toBe(503)
  const answer = await api.send('GET', path)
  expect(await answer.json()).toMatchObject({ count: 1, mean: 5 })
  const old = 'openclaw; fwd=stale; detail=store-unavailable; ttl=0'
  expect([answer.status, ...headersOf(answer)]).toEqual([200, old, '0', own])
  expect((await api.send('GET', path, latest)).status).toBe(503)
})

test('who has the same already gets 304 without a body', async () => {
  await rate({ subject, score: 5 })
  const path = `/v1/subjects/${subject}`
  const tag = (await api.send('GET', path)).headers.get('etag')!
  expect(tag).toMatch(/^"[\w-]{27}"$/)
  for (const given of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
    const answer = await api.send('GET', path, { headers: { 'if-none-match': given } })
    expect([answer.status, await answer.text()]).toEqual([304, ''])
    expect([answer.headers.get('etag'), ...headersOf(answer)]).toEqual([
      tag,
      'openclaw; hit; ttl=29',
      '0',
      own,
    ])
  }
  await rate({ subject, score: 4 }, 'bob')
  const changed = await api.send('GET', path, { headers: { 'if-none-match': tag } })
  expect([changed.status, changed.headers.get('etag') === tag]).toEqual([200, false])
})

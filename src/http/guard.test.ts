import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AddressLimiter } from '../limiter/address-limiter.ts'
import { Limiter } from '../limiter/limiter.ts'
import type { LimitSpec } from '../limiter/types.ts'
import type { RatingStore } from '../ratings/store.ts'
import { InProcessNetwork } from '../replication/in-process.ts'
import type { AppOptions } from './app.ts'
import { openTestStore } from '../ratings/store.testing.ts'
import { makeTestApp, type TestApp } from './app.testing.ts'
import { ApiKeys, type ApiKey } from './auth/api-keys.ts'
import { requireCredentials } from './auth/authenticator.ts'
import { createHash } from 'node:crypto'

let store: RatingStore
beforeAll(async () => {
  store = await openTestStore()
}, 60_000)
afterAll(() => store.close())

const take = (api: TestApp, key: string, headers: Record<string, string> = {}): Promise<Response> =>
  api.send('POST', '/v1/limits/ratings/take', { json: { key }, headers })

const key = (id: string, own: Partial<ApiKey> = {}): ApiKey => ({
  id,
  subject: 'frontend',
  sha256: createHash('sha256').update(`secret-${id}`).digest('hex'),
  scopes: ['rate'],
  notBeforeMs: null,
  expiresMs: null,
  ...own,
})
const bearer = (id: string): Record<string, string> => ({ authorization: `Bearer secret-${id}` })

describe('addresses', () => {
  function limited(): { api: TestApp; call: (address: string, path?: string) => Promise<Response> } {
    let address = ''
    const limiter = new AddressLimiter({
      capacity: 3,
      refillPerSec: 1,
      addressesMax: 100,
      hashKey: { lo: 1, hi: 2 },
      nowMs: () => 0,
    })
    const keys = new ApiKeys([])
    const own: Partial<AppOptions> = {
      addressOf: () => address,
      takeForAddress: (block) => limiter.take(block),
      authenticate: requireCredentials([(credential) => keys.check(credential)]),
      authenticated: true,
    }
    const api = makeTestApp(store, own)
    return {
      api,
      call: (from, path = '/v1/subjects/tea') => {
        address = from
        return api.send('GET', path, { headers: bearer('guessed') })
      },
    }
  }

  test('one that guesses credentials is refused before they are looked at, and others are not', async () => {
    const { call } = limited()
    for (let guess = 0; guess < 3; guess++) expect((await call('192.0.2.1')).status).toBe(401)
    const refused = await call('192.0.2.1')
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
    expect(refused.headers.get('ratelimit-policy')).toBe('"address";q=3;w=3')
    expect((await call('192.0.2.2')).status).toBe(401)
  })

  test('all of a /64 of IPv6 are one', async () => {
    const { call } = limited()
    const statuses = await Promise.all(
      ['2001:db8::1', '2001:db8::2', '2001:db8:0:0:ffff::', '2001:db8::4', '2001:db8:0:1::1'].map(
        async (address) => (await call(address)).status,
      ),
    )
    expect(statuses).toEqual([401, 401, 401, 429, 401])
  })

  test('probes get through', async () => {
    const { call } = limited()
    for (let n = 0; n < 5; n++) await call('192.0.2.1')
    expect((await call('192.0.2.1', '/nowhere')).status).toBe(429)
    expect((await call('192.0.2.1', '/health')).status).toBe(200)
    expect((await call('192.0.2.1', '/ready')).status).toBe(200)
  })
})

describe('API keys over time', () => {
  const hourMs = 3_600_000

  test('a key counts from its beginning to its end, and a subject may have two', async () => {
    let nowMs = 0
    const keys = new ApiKeys(
      [key('old', { expiresMs: 2 * hourMs }), key('new', { notBeforeMs: hourMs })],
      () => nowMs,
    )
    const api = makeTestApp(store, {
      authenticate: requireCredentials([(credential) => keys.check(credential)]),
      authenticated: true,
    })
    const statuses = async (): Promise<number[]> => [
      (await take(api, 'x', bearer('old'))).status,
      (await take(api, 'x', bearer('new'))).status,
    ]
    expect(await statuses()).toEqual([200, 401])
    nowMs = hourMs
    expect(await statuses()).toEqual([200, 200])
    nowMs = 2 * hourMs
    expect(await statuses()).toEqual([401, 200])
  })

  test('replaced keys count at once', () => {
    const keys = new ApiKeys([key('a')])
    keys.replace([key('b')])
    expect(keys.check('secret-a')).toBeUndefined()
    expect(keys.check('secret-b')).toEqual({ subject: 'frontend', scopes: ['rate'], credential: 'b' })
  })
})

describe('denied keys and shadow mode', () => {
  const limit: LimitSpec = {
    name: 'ratings',
    mode: 'pooled',
    shares: { us: { capacity: 1, refillPerSec: 1 } },
    overrides: [],
    deny: ['mallory'],
    bucketsMax: 100,
  }
  const apiOf = (own: Partial<LimitSpec>): TestApp => {
    const network = new InProcessNetwork({ delayMs: () => 0, schedule: (deliver) => deliver() })
    return makeTestApp(store, {
      limiter: new Limiter({
        transport: network.connect('us/0'),
        limits: [{ ...limit, ...own }],
        hashKey: { lo: 1, hi: 2 },
        incarnation: 1,
        contactTimeoutMs: 600,
        nowMs: () => 0,
      }),
    })
  }
  const rate = (api: TestApp, user: string): Promise<Response> =>
    api.send('POST', `/v1/ratings?user=${user}`, { json: { subject: 'tea', score: 3 } })

  test('a denied key is 403, without a time to come back', async () => {
    const api = apiOf({})
    for (const answer of [await take(api, 'mallory'), await rate(api, 'mallory')]) {
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([403, null])
      expect(await answer.json()).toMatchObject({ type: '/docs#problem-key-denied' })
    }
  })

  test('in shadow mode all get through, and a header says who would not have', async () => {
    const api = apiOf({ shadow: true })
    const answers = [await rate(api, 'alice'), await rate(api, 'alice'), await take(api, 'mallory')]
    expect(answers.map(({ status, headers }) => [status, headers.get('openclaw-shadow')])).toEqual([
      [201, null],
      [201, 'would-refuse'],
      [200, 'would-refuse'],
    ])
  })
})

describe('the audit log', () => {
  test('notes who changed what, from where, and how it stood before and after', async () => {
    const keys = new ApiKeys([key('boss', { subject: 'on-call', scopes: ['admin'] }), key('rater')])
    const api = makeTestApp(store, {
      authenticate: requireCredentials([(credential) => keys.check(credential)]),
      authenticated: true,
    })
    await take(api, 'bob', bearer('rater'))
    const reset = (as: string): Promise<Response> =>
      api.send('DELETE', '/v1/limits/ratings/buckets/bob', {
        headers: { ...bearer(as), 'x-request-id': `by-${as}` },
      })
    await api.send('POST', '/v1/limits/ratings/give', {
      json: { key: 'bob', tokens: 1 },
      headers: { ...bearer('rater'), 'x-request-id': 'give' },
    })
    await take(api, 'bob', bearer('rater'))
    for (const as of ['nobody', 'rater', 'boss']) await reset(as)
    const entry = { from: '192.0.2.1', action: 'bucket.reset', details: { limit: 'ratings', key: 'bob' } }
    const full = { remaining: 10 }
    expect(api.audited).toEqual([
      {
        ...entry,
        action: 'bucket.give',
        who: 'frontend',
        credential: 'rater',
        requestId: 'give',
        outcome: 'done',
        details: { limit: 'ratings', key: 'bob', given: 1, after: full },
      },
      { ...entry, who: null, credential: null, requestId: 'by-nobody', outcome: 'unauthenticated' },
      { ...entry, who: 'frontend', credential: 'rater', requestId: 'by-rater', outcome: 'forbidden' },
      {
        ...entry,
        who: 'on-call',
        credential: 'boss',
        requestId: 'by-boss',
        outcome: 'done',
        details: { ...entry.details, before: { remaining: 9 }, after: full },
      },
    ])
    expect(JSON.stringify(api.audited)).not.toContain('secret-')
  })
})

describe('limits of all regions', () => {
  test('a node that is alone has those of its file, and says so', async () => {
    const api = makeTestApp(store)
    const read = await api.send('GET', '/v1/config/limits')
    expect([read.status, await read.json()]).toEqual([
      200,
      expect.objectContaining({ version: 0, document: null }),
    ])
    for (const [method, path, json] of [
      ['PUT', '/v1/config/limits', {}],
      ['POST', '/v1/config/limits/rollback', {}],
      ['GET', '/v1/config/limits/history', undefined],
    ] as const) {
      const answer = await api.send(method, path, { json })
      expect([path, answer.status]).toEqual([path, 409])
    }
    expect(api.audited.map(({ action, outcome }) => [action, outcome])).toEqual([
      ['limits.apply', 'limits-not-shared'],
      ['limits.rollback', 'limits-not-shared'],
    ])
  })

  test('changing them takes the scope admin', async () => {
    const keys = new ApiKeys([key('rater', { scopes: ['rate', 'read'] })])
    const authenticate = requireCredentials([(credential) => keys.check(credential)])
    const api = makeTestApp(store, { authenticate, authenticated: true })
    const headers = bearer('rater')
    expect((await api.send('PUT', '/v1/config/limits', { json: {}, headers })).status).toBe(403)
    expect((await api.send('POST', '/v1/config/limits/rollback', { json: {}, headers })).status).toBe(403)
    expect((await api.send('GET', '/v1/config/limits', { headers })).status).toBe(200)
  })
})

describe('what answers say to browsers', () => {
  const always = {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
  }

  test.each(['/health', '/metrics', '/docs', '/openapi.json', '/nowhere', '/v1/subjects/%ff'])(
    '%s',
    async (path) => {
      const { headers } = await makeTestApp(store).send('GET', path)
      expect(Object.fromEntries(headers)).toMatchObject(always)
      expect(headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(headers.get('strict-transport-security')).toBe(null)
      expect(headers.get('access-control-allow-origin')).toBe(null)
    },
  )

  test('over TLS, that there is no plain HTTP', async () => {
    const { headers } = await makeTestApp(store, { overTls: true }).send('GET', '/health')
    expect(headers.get('strict-transport-security')).toBe('max-age=31536000')
  })
})

describe('names that every object has', () => {
  const bodies = [
    '{"__proto__":{"polluted":1},"subject":"tea","score":3}',
    '{"constructor":{"prototype":{"polluted":1}},"subject":"tea","score":3}',
    '{"subject":{"__proto__":{"polluted":1}},"score":3}',
    '[{"__proto__":{"polluted":1}}]',
  ]

  test.each(bodies)('in a body: %s is refused, and pollutes nothing', async (body) => {
    const answer = await makeTestApp(store).send('POST', '/v1/ratings?user=alice&__proto__=x', { body })
    expect(answer.status).toBe(422)
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
  })

  test.each(['__proto__', 'constructor', 'toString'])('%s as a name is one like any other', async (name) => {
    const api = makeTestApp(store)
    expect((await api.send('POST', `/v1/limits/${name}/take`, { json: { key: 'x' } })).status).toBe(404)
    expect((await take(api, name)).status).toBe(200)
    const bucket = await api.send('GET', `/v1/limits/ratings/buckets/${name}`)
    expect(await bucket.json()).toMatchObject({ remaining: 9 })
    await api.send('POST', `/v1/ratings?user=${name}`, { json: { subject: name, score: 3 } })
    expect((await api.send('GET', `/v1/subjects/${name}/ratings/${name}`)).status).toBe(200)
    expect(Reflect.get({}, 'remaining')).toBeUndefined()
  })
})

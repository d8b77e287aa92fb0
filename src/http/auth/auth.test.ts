import { createHash } from 'node:crypto'
import { exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RatingStore } from '../../ratings/store.ts'
import { openTestStore } from '../../ratings/store.testing.ts'
import { makeTestApp, type TestApp } from '../app.testing.ts'
import { ApiKeys } from './api-keys.ts'
import { requireCredentials, type Scope } from './authenticator.ts'
import { checkJwt } from './jwt.ts'

const issuer = 'https://issuer.example'
const audience = 'ratings'
let store: RatingStore
let api: TestApp
let pair: Awaited<ReturnType<typeof generateKeyPair>>

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
const apiKey = (id: string, scopes: Scope[]) => ({
  id,
  subject: `service-${id}`,
  sha256: sha256(`key-of-${id}`),
  scopes,
  notBeforeMs: null,
  expiresMs: null,
})

beforeAll(async () => {
  store = await openTestStore()
  pair = await generateKeyPair('ES256', { extractable: true })
  const keys = { publicKeyPem: await exportSPKI(pair.publicKey) }
  const jwt = checkJwt({ issuer, audience, keys, subjectClaim: 'sub', scopeClaim: 'scope' })
  const apiKeys = new ApiKeys([
    apiKey('rater', ['rate']),
    apiKey('reader', ['read']),
    apiKey('boss', ['admin']),
  ])
  api = makeTestApp(store, {
    authenticate: requireCredentials([(key) => apiKeys.check(key), jwt]),
    authenticated: true,
  })
})
afterAll(() => store.close())

const rate = (headers: Record<string, string>, query = ''): Promise<Response> =>
  api.send('POST', `/v1/ratings${query}`, { json: { subject: 'tea', score: 3 }, headers })
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

const token = (
  claims: Record<string, unknown> = {},
  own: { issuer?: string; audience?: string; expires?: string } = {},
): Promise<string> =>
  new SignJWT({ scope: 'rate read', ...claims })
    .setProtectedHeader({ alg: 'ES256' })
    .setSubject('alice')
    .setIssuer(own.issuer ?? issuer)
    .setAudience(own.audience ?? audience)
    .setExpirationTime(own.expires ?? '1h')
    .sign(pair.privateKey)

describe('API keys', () => {
  test('a key says whose request it is, in either header', async () => {
    const answer = await rate(bearer('key-of-rater'))
    expect(answer.status).toBe(201)
    expect(await answer.json()).toMatchObject({ user: 'service-rater' })
    expect((await rate({ 'x-api-key': 'key-of-rater' })).status).toBe(201)
  })

  test.each([
    ['no credentials', {}],
    ['a wrong key', bearer('key-of-nobody')],
    ['the hash of a key', bearer(sha256('key-of-rater'))],
    ['another scheme', { authorization: 'Basic a2V5LW9mLXJhdGVy' }],
    ['an empty key', { 'x-api-key': '' }],
  ])('%s: 401 with a challenge, and the credentials are not repeated', async (_name, headers) => {
    const answer = await rate(headers)
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="openclaw"'])
    expect(await answer.text()).not.toMatch(/key-of|a2V5/)
  })

  test('a key does what its scopes allow, and admin everything', async () => {
    expect((await rate(bearer('key-of-reader'))).status).toBe(403)
    expect((await api.send('GET', '/v1/subjects/tea', { headers: bearer('key-of-rater') })).status).toBe(403)
    expect((await api.send('GET', '/v1/subjects/tea', { headers: bearer('key-of-reader') })).status).toBe(200)
    expect((await api.send('GET', '/metrics', { headers: bearer('key-of-reader') })).status).toBe(200)
    const reset = (key: string): Promise<Response> =>
      api.send('DELETE', '/v1/limits/ratings/buckets/x', { headers: bearer(key) })
    expect((await reset('key-of-rater')).status).toBe(403)
    expect((await reset('key-of-boss')).status).toBe(200)
  })

  test('one may delete one’s own rating, and admin any', async () => {
    await rate(bearer('key-of-rater'))
    const remove = (user: string, key: string): Promise<Response> =>
      api.send('DELETE', `/v1/subjects/tea/ratings/${user}`, { headers: bearer(key) })
    expect((await remove('somebody', 'key-of-rater')).status).toBe(403)
    expect((await remove('service-rater', 'key-of-rater')).status).toBe(204)
    expect((await remove('somebody', 'key-of-boss')).status).toBe(404)
  })

  test('?user= may not name another', async () => {
    expect((await rate(bearer('key-of-rater'), '?user=alice')).status).toBe(400)
    expect((await rate(bearer('key-of-rater'), '?user=service-rater')).status).toBe(201)
  })

  test('health and readiness need no credentials', async () => {
    expect((await api.send('GET', '/health')).status).toBe(200)
    expect((await api.send('GET', '/ready')).status).toBe(200)
    expect((await api.send('GET', '/metrics')).status).toBe(401)
  })
})

describe('JWT', () => {
  test('its subject is the user, its scopes count', async () => {
    const answer = await rate(bearer(await token()))
    expect(answer.status).toBe(201)
    expect(await answer.json()).toMatchObject({ user: 'alice' })
    expect((await rate(bearer(await token({ scope: ['read'] })))).status).toBe(403)
  })

  test.each([
    ['of another issuer', { issuer: 'https://evil.example' }],
    ['for another audience', { audience: 'mail' }],
    ['that expired', { expires: '-1h' }],
  ])('one %s is 401', async (_name, own) => {
    expect((await rate(bearer(await token({}, own)))).status).toBe(401)
  })

  test('one that is unsigned, altered, or signed with the public key as a secret is 401', async () => {
    const valid = await token()
    const [header, payload, signature] = valid.split('.')
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const altered = part({ ...JSON.parse(Buffer.from(payload!, 'base64url').toString()), sub: 'mallory' })
    const secret = Buffer.from(await exportSPKI(pair.publicKey))
    const confused = await new SignJWT({ scope: 'admin' })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('mallory')
      .setIssuer(issuer)
      .setAudience(audience)
      .setExpirationTime('1h')
      .sign(secret)
    for (const forged of [
      `${part({ alg: 'none' })}.${payload}.`,
      `${header}.${altered}.${signature}`,
      confused,
    ]) {
      expect((await rate(bearer(forged))).status).toBe(401)
    }
  })
})

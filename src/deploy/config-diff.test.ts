import { expect, test } from 'vitest'
import { readConfig } from './config-check.ts'
import { diffConfigs } from './config-diff.ts'

const config = (text: string) => readConfig(text, { file: 'edge.yaml', env: {} })
const shares = (capacity: number): string => `{ us: { capacity: ${capacity}, refill_per_sec: 10 } }`

test('a configuration that says the same changes nothing', () => {
  const text = `token_buckets: ${shares(10)}`
  expect(diffConfigs(config(text), config(`# other words\n${text}`))).toEqual({
    limits: [],
    credentials: [],
    logLevel: null,
    needRestart: [],
  })
})

test('limits that come, change and go are named, with what becomes of live buckets', () => {
  const { limits } = diffConfigs(
    config(
      `limits: { a: { shares: ${shares(100)} }, b: { shares: ${shares(10)} }, d: { shares: ${shares(10)} } }`,
    ),
    config(
      `limits: { a: { shares: ${shares(60)} }, c: { shares: ${shares(10)} }, d: { mode: strict, shares: ${shares(10)} } }`,
    ),
  )
  expect(limits.map(({ limit, change }) => [limit, change])).toEqual([
    ['c', 'added'],
    ['a', 'changed'],
    ['d', 'changed'],
    ['b', 'removed'],
  ])
  expect(limits[1]?.effects).toEqual([
    'us: 100 tokens, 10/s → 60 tokens, 10/s',
    'a full bucket: 100 → 60 tokens; what live buckets owe stays, so each has 40 less at once, and one that owes more than 60 refuses until it has refilled',
  ])
  expect(limits[2]?.effects).toEqual(['mode pooled → strict: its buckets are dropped, and begin anew'])
})

test('what needs new processes is told apart', () => {
  const text = `token_buckets: ${shares(10)}`
  const key = `{ id: web, subject: web, scopes: [rate], sha256: ${'a'.repeat(64)} }`
  const jwt = '{ issuer: i, audience: a, jwks_url: "https://issuer.example/keys" }'
  const { needRestart, logLevel, credentials } = diffConfigs(
    config(text),
    config(
      `${text}\nauth: { mode: off, api_keys: [${key}], jwt: ${jwt} }\nhttp: { max_body_bytes: 2048 }\nlog: { level: warn }`,
    ),
  )
  expect(credentials).toEqual(['auth.api_keys web', 'auth.jwt'])
  expect(needRestart).toEqual(['http.max_body_bytes'])
  expect(logLevel).toEqual(['info', 'warn'])
})

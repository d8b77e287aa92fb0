import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { LimitSpec } from '../limiter/types.ts'
import { loadConfigFile, parseConfig } from './load.ts'
import type { ConfigOverrides, Environment } from './overlay.ts'
import { formatProblems } from './problem.ts'
import type { EdgeConfig } from './edge-config.ts'

const root = new URL('../../', import.meta.url)

const guideYaml = `token_buckets:
  us-east-1:
    capacity: 5000
    refill_per_sec: 100
  eu-central-1:
    capacity: 4000
    refill_per_sec: 80
  ap-southeast-2:
    capacity: 3000
    refill_per_sec: 60
`

interface Given {
  env?: Environment
  overrides?: ConfigOverrides
}

function accepted(text: string, { env = {}, overrides = {} }: Given = {}): EdgeConfig {
  const result = parseConfig(text, { file: 'f.yaml', env, overrides })
  if (!result.ok) throw new Error(formatProblems(result.errors))
  return result.config
}

/** A valid limit, and after it what a test is about. */
const shares = 'token_buckets: {us: {capacity: 10, refill_per_sec: 1}}\n'

test('the YAML of the guide is the pooled limit ratings with a share for each region', () => {
  const config = accepted(guideYaml)
  expect(config.limits).toEqual([
    {
      name: 'ratings',
      mode: 'pooled',
      key: 'user',
      cost: 1,
      shares: {
        'us-east-1': { capacity: 5000, refillPerSec: 100 },
        'eu-central-1': { capacity: 4000, refillPerSec: 80 },
        'ap-southeast-2': { capacity: 3000, refillPerSec: 60 },
      },
      overrides: [],
      deny: [],
      shadow: false,
      bucketsMax: 4_000_000,
    },
  ])
  expect(config.regions).toEqual(['us-east-1', 'eu-central-1', 'ap-southeast-2'])
  expect(config.auth).toEqual({ mode: 'off', apiKeys: [], jwt: null })
})

test('token_buckets.yaml is the YAML of the guide', async () => {
  expect(await readFile(new URL('token_buckets.yaml', root), 'utf8')).toBe(guideYaml)
})

test('limits are what the limiter takes', () => {
  const limits: readonly LimitSpec[] = accepted(guideYaml).limits
  expect(limits).toHaveLength(1)
})

test('the example for production is valid with its secrets, and says what is missing without them', async () => {
  const text = await readFile(new URL('examples/production.yaml', root), 'utf8')
  const env = {
    OPENCLAW_HASH_KEY: 'AB'.repeat(32),
    RATING_DB_URL: 'postgres://rating:pw@db.internal:5432/rating',
  }
  const config = accepted(text, { env })
  expect(config.limits.map(({ name, mode }) => [name, mode])).toEqual([
    ['ratings', 'pooled'],
    ['search', 'pooled'],
    ['mail', 'local'],
  ])
  expect(config.limits[1]?.shares).toEqual(config.limits[0]?.shares)
  expect(config.auth.mode).toBe('required')
  expect(config.http.host).toBe('0.0.0.0')
  expect(config.cluster.hashKey?.reveal()).toBe('ab'.repeat(32))
  expect(config.store.url?.reveal()).toBe(env.RATING_DB_URL)
  const without = parseConfig(text, { file: 'f.yaml', env: {} })
  expect(without.ok || without.errors.map(({ path }) => path)).toEqual([
    'cluster.hash_key_env',
    'store.url_env',
  ])
})

test('a configuration is frozen to its depths', () => {
  const { limits, store } = accepted(guideYaml, { env: { RATING_DB_URL: 'postgres://db/r' } })
  for (const part of [
    limits,
    limits[0],
    limits[0]?.shares,
    limits[0]?.shares['us-east-1'],
    store.cache,
    store.url,
  ])
    expect(Object.isFrozen(part)).toBe(true)
})

test('shares under one anchor are shares of their own', () => {
  const text = 'limits:\n  a: {shares: &s {us: {capacity: 1, refill_per_sec: 1}}}\n  b: {shares: *s}'
  const [a, b] = accepted(text).limits
  expect(a?.shares).toEqual(b?.shares)
})

test('a region that one limit leaves out is a region of the cluster all the same', () => {
  const text = `limits:
  a: {shares: {us: {capacity: 1, refill_per_sec: 1}}}
  b:
    shares: {eu: {capacity: 1, refill_per_sec: 1}}
    overrides: [{keys: [k], shares: {ap: {capacity: 1, refill_per_sec: 1}}}]`
  expect(accepted(text).regions).toEqual(['us', 'eu', 'ap'])
})

test('overrides win over the environment, and that over the file', () => {
  const text = `${shares}http: {port: 1, host: localhost}\nlog: {level: debug}`
  const env = { OPENCLAW_HTTP_PORT: '2', OPENCLAW_HTTP_HOST: '::1', OPENCLAW_LOG_LEVEL: '' }
  const { http, log } = accepted(text, { env, overrides: { 'http.port': 3, 'http.host': undefined } })
  expect([http.port, http.host, log.level]).toEqual([3, '::1', 'debug'])
})

test('the URL of the environment wins over that of the file, and other variables can be named', () => {
  const text = `${shares}store: {url: "postgres://file/r", url_env: MY_DB}\ncluster: {hash_key_env: MY_KEY}`
  const env = { MY_KEY: '0123456789abcdef' }
  expect(accepted(text, { env }).store.url?.reveal()).toBe('postgres://file/r')
  const both = accepted(text, { env: { ...env, MY_DB: 'postgres://env/r', RATING_DB_URL: 'x' } })
  expect(both.store.url?.reveal()).toBe('postgres://env/r')
  expect(both.cluster.hashKey?.reveal()).toBe('0123456789abcdef')
  expect(accepted(shares).cluster.hashKey).toBeNull()
})

test('an auth section without a mode requires credentials', () => {
  const key = `{id: k, subject: u, sha256: ${'A'.repeat(64)}, scopes: [rate]}`
  const { auth } = accepted(`${shares}auth: {api_keys: [${key}]}\nhttp: {host: 0.0.0.0}`)
  expect(accepted(`${shares}auth: {mode: off}\nhttp: {host: 0.0.0.0}`).auth.mode).toBe('off')
  expect(auth.mode).toBe('required')
  expect(auth.apiKeys[0]?.sha256).toBe('a'.repeat(64))
})

test('a file that is missing, is a directory or is no text is a problem', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'openclaw-config-'))
  const binary = join(directory, 'binary.yaml')
  await writeFile(binary, Buffer.from([0xff, 0xfe, 0x80]))
  const messages = await Promise.all(
    [join(directory, 'none.yaml'), directory, binary].map(async (path) => {
      const result = await loadConfigFile(path, {})
      return result.ok ? 'ok' : formatProblems(result.errors).replace(path, 'PATH')
    }),
  )
  expect(messages).toEqual(['PATH: there is no such file', 'PATH: not a file', 'PATH: not UTF-8 text'])
})

test('a file is read with the environment and the overrides', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'openclaw-config-')), 'edge.yaml')
  await writeFile(file, guideYaml)
  const result = await loadConfigFile(file, { OPENCLAW_HTTP_PORT: '81' }, { 'log.level': 'warn' })
  expect(result.ok && [result.config.http.port, result.config.log.level]).toEqual([81, 'warn'])
})

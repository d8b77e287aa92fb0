import { expect, test } from 'vitest'
import { parseConfig } from './load.ts'
import type { ConfigOverrides, Environment } from './overlay.ts'
import { formatProblems, type ConfigProblem } from './problem.ts'

interface Given {
  env?: Environment
  overrides?: ConfigOverrides
}

function problems(text: string, { env = {}, overrides = {} }: Given = {}): readonly ConfigProblem[] {
  const result = parseConfig(text, { file: 'f.yaml', env, overrides })
  if (result.ok) throw new Error('no problem was found')
  return result.errors
}

const lines = (text: string, given?: Given): string[] => formatProblems(problems(text, given)).split('\n')

/** A valid limit, and after it what a test is about. */
const shares = 'token_buckets: {us: {capacity: 10, refill_per_sec: 1}}\n'

test.each([
  [
    'a number out of range',
    'token_buckets:\n  us:\n    capacity: -5\n    refill_per_sec: 1',
    '3:15 token_buckets.us.capacity: -5 is not allowed; allowed: a whole number from 1 to 1000000000',
  ],
  [
    'a fraction for a whole number',
    'token_buckets:\n  us: {capacity: 1.5, refill_per_sec: 1}',
    '2:18 token_buckets.us.capacity: 1.5 is not allowed; allowed: a whole number from 1 to 1000000000',
  ],
  [
    'a rate of nothing',
    'token_buckets:\n  us: {capacity: 1, refill_per_sec: 0}',
    '2:37 token_buckets.us.refill_per_sec: 0 is not allowed; allowed: a number above 0, up to 1000000000',
  ],
  [
    'an infinite rate',
    'token_buckets:\n  us: {capacity: 1, refill_per_sec: .inf}',
    '2:37 token_buckets.us.refill_per_sec: Infinity is not allowed; allowed: a number above 0, up to 1000000000',
  ],
  [
    'a text for a number',
    'token_buckets:\n  us: {capacity: "1", refill_per_sec: 1}',
    '2:18 token_buckets.us.capacity: "1" is not allowed; allowed: a whole number from 1 to 1000000000',
  ],
  [
    'a missing key, at its map',
    'token_buckets:\n  us:\n    capacity: 1',
    '2:3 token_buckets.us.refill_per_sec: missing; required: a number above 0, up to 1000000000',
  ],
  [
    'an unknown key with a near one',
    'token_buckets:\n  us:\n    capacity: 1\n    refill_per_sec: 1\n    capcity: 1',
    '5:5 token_buckets.us.capcity: unknown key; did you mean capacity?',
  ],
  [
    'an unknown key with none',
    `${shares}zebra: 1`,
    '2:1 zebra: unknown key; allowed: token_buckets, limits, cluster, auth, sync, store, http, log',
  ],
  [
    'a bad region name',
    'token_buckets:\n  US: {capacity: 1, refill_per_sec: 1}',
    '2:3 token_buckets.US: "US" is not allowed as a name; allowed: a small letter or digit, then up to 62 small letters, digits or -',
  ],
  [
    'a bad limit name',
    'limits:\n  9: {shares: {us: {capacity: 1, refill_per_sec: 1}}}',
    '2:3 limits.9: "9" is not allowed as a name; allowed: a small letter, then up to 62 small letters, digits, _ or -',
  ],
  [
    'no region',
    'token_buckets: {}',
    '1:16 token_buckets: a map of 0 is not allowed; allowed: 1 to 64 regions',
  ],
  ['no limit', 'limits: {}', '1:9 limits: a map of 0 is not allowed; allowed: 1 to 64 limits'],
  [
    'an empty file',
    '',
    '1:1: no limit is defined; required: token_buckets (a share for each region) or limits (limits by name)',
  ],
  [
    'no map at all',
    '- 1',
    '1:1: a list of 1 is not allowed; allowed: a map with the keys token_buckets, limits, cluster, auth, sync, store, http, log',
  ],
  [
    'an empty section, at its key',
    `${shares}log:`,
    '2:1 log: an empty value is not allowed; allowed: a map with the keys level, audit_file',
  ],
  [
    'both forms of the limit ratings',
    `${shares}limits:\n  ratings: {shares: {us: {capacity: 1, refill_per_sec: 1}}}`,
    '3:12 limits.ratings: token_buckets defines the limit ratings already; allowed: one of the two',
  ],
  [
    'an unknown mode',
    'limits: {a: {mode: loose, shares: {us: {capacity: 1, refill_per_sec: 1}}}}',
    '1:20 limits.a.mode: "loose" is not allowed; allowed: pooled, strict or local',
  ],
  [
    'a key in two overrides',
    'limits:\n  a:\n    shares: &s {us: {capacity: 1, refill_per_sec: 1}}\n    overrides:\n      - {keys: [x, y], shares: *s}\n      - {keys: [z, y], shares: *s}',
    '6:20 limits.a.overrides[1].keys[1]: this key is in overrides[0] already; allowed: one override a key',
  ],
  [
    'half of a surrogate pair in a key',
    'limits: {a: {shares: &s {us: {capacity: 1, refill_per_sec: 1}}, overrides: [{keys: ["\\ud800"], shares: *s}]}}',
    '1:85 limits.a.overrides[0].keys[0]: "\\ud800" is not allowed; allowed: a text of 1 to 256 characters, none of them a control character',
  ],
  [
    'a cost that a pooled bucket never holds',
    'limits: {a: {cost: 3, shares: {us: {capacity: 1, refill_per_sec: 1}, eu: {capacity: 1, refill_per_sec: 1}}}}',
    '1:20 limits.a.cost: 3 is not allowed; allowed: a whole number from 1 to 2, the least that a full bucket holds',
  ],
  [
    'a cost that one local bucket never holds',
    'limits: {a: {mode: local, cost: 2, shares: {us: {capacity: 1, refill_per_sec: 1}, eu: {capacity: 9, refill_per_sec: 1}}}}',
    '1:33 limits.a.cost: 2 is not allowed; allowed: a whole number from 1 to 1, the least that a full bucket holds',
  ],
  [
    'a duration out of range',
    `${shares}sync: {interval: 6s, contact_timeout: 60s}`,
    '2:18 sync.interval: "6s" is not allowed; allowed: a duration from 10ms to 5s',
  ],
  [
    'a contact time-out of less than four intervals',
    `${shares}sync: {interval: 200ms}`,
    '2:1 sync.contact_timeout: 600ms is not allowed; allowed: 800ms (4 × sync.interval) or more',
  ],
  [
    'headers that may take longer than the request',
    `${shares}http: {headers_timeout: 20s}`,
    '2:25 http.headers_timeout: 20s is not allowed; allowed: up to 15s (request_timeout)',
  ],
  [
    'keys forgotten before what waits is stored',
    `${shares}store: {idempotency_ttl: 1h, queue: {max_age: 2h}}`,
    '2:26 store.idempotency_ttl: 1h is not allowed; allowed: 2h (queue.max_age) or more',
  ],
  [
    'a queue shorter than a batch',
    `${shares}store: {group_commit: {queue_max: 499}}`,
    '2:35 store.group_commit.queue_max: 499 is not allowed; allowed: 2000 (batch_max) or more',
  ],
  [
    'a host for all without auth',
    `${shares}http:\n  host: 0.0.0.0`,
    '3:9 http.host: without an auth section, only a loopback address such as 127.0.0.1 is allowed. Other machines reach this one: add auth with api_keys or jwt, or auth: { mode: off } if callers are checked in front of it',
  ],
  [
    'auth that lets nobody in',
    `${shares}auth: {mode: required}`,
    '2:7 auth: nobody could call; required: api_keys or jwt, or mode: off',
  ],
  [
    'a JWT without a key',
    `${shares}auth: {jwt: {issuer: i, audience: a}}`,
    '2:13 auth.jwt: required: either jwks_url or public_key_file',
  ],
  [
    'a JWT with two keys',
    `${shares}auth: {jwt: {issuer: i, audience: a, jwks_url: "https://a", public_key_file: f}}`,
    '2:13 auth.jwt: required: either jwks_url or public_key_file',
  ],
  [
    'a password in the file',
    `${shares}store:\n  url: postgres://u:hunter2@db/r`,
    '3:8 store.url: a password is not allowed in this file; put the whole URL into the variable of store.url_env',
  ],
  [
    'a password in the query of a URL',
    `${shares}store:\n  url: postgres://u@db/r?password=hunter2`,
    '3:8 store.url: a password is not allowed in this file; put the whole URL into the variable of store.url_env',
  ],
  [
    'a URL of something else',
    `${shares}store:\n  url: mysql://u:hunter2@db/r`,
    '3:8 store.url: [redacted] is not allowed; allowed: a URL such as postgres://rating@db.internal:5432/rating',
  ],
  [
    'a raw key in place of its hash',
    `${shares}auth: {api_keys: [{id: a, subject: s, sha256: hunter2, scopes: [read]}]}`,
    '2:47 auth.api_keys[0].sha256: [redacted] is not allowed; allowed: 64 hexadecimal digits: the SHA-256 of the key, never the key itself',
  ],
  [
    'a raw key in place of an entry',
    `${shares}auth: {api_keys: [hunter2]}`,
    '2:19 auth.api_keys[0]: [redacted] is not allowed; allowed: a map with the keys id, subject, sha256, scopes, not_before, expires',
  ],
  [
    'a URL in place of a section',
    `${shares}store: postgres://u:hunter2@db/r`,
    '2:8 store: "postgres://[redacted]@db/r" is not allowed; allowed: a map with the keys data_dir, url, url_env, read_url, read_url_env, pool_max, connect_timeout, statement_timeout, group_commit, queue, idempotency_ttl, cache, bayesian',
  ],
  [
    'a named variable that is not set',
    `${shares}cluster: {hash_key_env: NO_SUCH}`,
    '2:25 cluster.hash_key_env: the environment variable NO_SUCH is not set; required: 16 to 1024 hexadecimal digits, such as `openssl rand -hex 32` makes',
  ],
  [
    'a secret in place of the name of its variable',
    `${shares}cluster: {hash_key_env: abcdef0123456789}`,
    '2:25 cluster.hash_key_env: [redacted] is not allowed; allowed: the name of the environment variable that holds it',
  ],
  [
    'a URL in place of the name of its variable',
    `${shares}store: {url_env: "postgres://u:hunter2@db/r"}`,
    '2:18 store.url_env: [redacted] is not allowed; allowed: the name of an environment variable: up to 128 letters, digits or _, the first no digit',
  ],
  [
    'a NATS server with credentials',
    `${shares}cluster: {nats: {servers: ["nats://u:hunter2@h:4222"]}}`,
    '2:28 cluster.nats.servers[0]: "nats://[redacted]@h:4222" is not allowed; allowed: nats://host:port or tls://host:port, without credentials',
  ],
  [
    'no NATS server',
    `${shares}cluster: {nats: {servers: []}}`,
    '2:27 cluster.nats.servers: a list of 0 is not allowed; allowed: a list of 1 to 16, each nats://host:port or tls://host:port, without credentials',
  ],
  [
    'two identities for NATS',
    `${shares}cluster: {nats: {servers: ["nats://a"], creds_file: a, nkey_seed_file: b}}`,
    '2:72 cluster.nats.nkey_seed_file: allowed: either this or creds_file, not both',
  ],
  [
    'a certificate without its key',
    `${shares}cluster: {nats: {servers: ["nats://a"], tls: {cert_file: a}}}`,
    '2:58 cluster.nats.tls.cert_file: allowed: together with key_file',
  ],
  [
    'a part above the whole',
    `${shares}sync: {quiet_part: 1.5}`,
    '2:20 sync.quiet_part: 1.5 is not allowed; allowed: a number from 0 to 1',
  ],
  [
    'a duplicate key',
    `${shares}log: {level: info}\nlog: {level: warn}`,
    '3:1 log: duplicate key; it is defined on line 2 already',
  ],
  ['a prototype key', `${shares}__proto__: {log: 1}`, '2:1 __proto__: this key is not allowed'],
  [
    'an inherited name as a limit',
    'limits:\n  a: {shares: {us: {capacity: 1, refill_per_sec: 1}}}\n  constructor: {shares: {us: {capacity: 1, refill_per_sec: 1}}}',
    '3:3 limits.constructor: this key is not allowed',
  ],
])('%s is reported with its place', (_what, text, line) => {
  expect(lines(text)).toEqual([`f.yaml:${line}`])
  expect(line).not.toContain('hunter2')
})

test('what is wrong in an anchor is reported there, not where it is used', () => {
  const text = 'limits:\n  a: {shares: &s {us: {capacity: 0, refill_per_sec: 1}}}\n  b: {shares: *s}'
  expect(problems(text).map(({ line, column, path }) => [line, column, path])).toEqual([
    [2, 34, 'limits.a.shares.us.capacity'],
    [2, 34, 'limits.b.shares.us.capacity'],
  ])
})

test('bad values of the environment name their variable and never show a secret', () => {
  const env = {
    OPENCLAW_HTTP_HOST: 'no host',
    OPENCLAW_HTTP_PORT: '70000',
    OPENCLAW_LOG_LEVEL: 'loud',
    OPENCLAW_HASH_KEY: 'hunter2',
    RATING_DB_URL: 'mysql://u:hunter2@db',
  }
  const found = problems(shares, { env })
  expect(JSON.stringify(found)).not.toContain('hunter2')
  expect(found.map(({ file, line, path, value }) => [file, line, path, value])).toEqual([
    ['environment variable OPENCLAW_HTTP_HOST', null, 'http.host', '"no host"'],
    ['environment variable OPENCLAW_HTTP_PORT', null, 'http.port', '70000'],
    ['environment variable OPENCLAW_LOG_LEVEL', null, 'log.level', '"loud"'],
    ['environment variable OPENCLAW_HASH_KEY', null, 'cluster.hash_key_env', '[redacted]'],
    ['environment variable RATING_DB_URL', null, 'store.url_env', '[redacted]'],
  ])
})

test('a host for all that comes from the environment is reported as that', () => {
  expect(lines(shares, { env: { OPENCLAW_HTTP_HOST: '0.0.0.0' } })[0]).toMatch(
    /^environment variable OPENCLAW_HTTP_HOST http.host: without an auth section/,
  )
})

test('an override of an unknown field is reported as an option', () => {
  expect(lines(shares, { overrides: { 'http.prot': 1 } })).toEqual([
    'option http.prot: unknown key; did you mean port?',
  ])
})

test('a value of the environment is judged though its section of the file is no map', () => {
  const found = problems(`${shares}http: 5`, {
    env: { OPENCLAW_HTTP_PORT: 'x', OPENCLAW_HTTP_HOST: '0.0.0.0' },
  })
  expect(found.map(({ file, path }) => [file, path])).toEqual([
    ['f.yaml', 'http'],
    ['environment variable OPENCLAW_HTTP_PORT', 'http.port'],
    ['environment variable OPENCLAW_HTTP_HOST', 'http.host'],
  ])
})

test('everything that is wrong is reported at once, in the order of the file', () => {
  const text = `token_buckets:
  us: {capacity: 0, refil_per_sec: 1}
  EU: {capacity: 1, refill_per_sec: -1}
limits:
  ratings:
    cost: 0
    cost: 1
    shares: {us: 7}
    overrides:
      - {keys: [a, a], shares: {us: {capacity: 1, refill_per_sec: 1}}}
auth:
  api_keys:
    - {id: k, subject: "", sha256: x, scopes: [root]}
    - {id: k, subject: s, sha256: x, scopes: []}
sync: {interval: soon}
http: {host: 0.0.0.0, port: 1.5, headers_timeout: 1m}
`
  expect(problems(text).map(({ line, column, path }) => `${line}:${column} ${path}`)).toEqual([
    '2:3 token_buckets.us.refill_per_sec',
    '2:18 token_buckets.us.capacity',
    '2:21 token_buckets.us.refil_per_sec',
    '3:3 token_buckets.EU',
    '3:37 token_buckets.EU.refill_per_sec',
    '6:5 limits.ratings',
    '6:11 limits.ratings.cost',
    '7:5 limits.ratings.cost',
    '8:18 limits.ratings.shares.us',
    '10:20 limits.ratings.overrides[0].keys[1]',
    '13:24 auth.api_keys[0].subject',
    '13:36 auth.api_keys[0].sha256',
    '13:48 auth.api_keys[0].scopes[0]',
    '14:12 auth.api_keys[1].id',
    '14:35 auth.api_keys[1].sha256',
    '14:35 auth.api_keys[1].sha256',
    '14:46 auth.api_keys[1].scopes',
    '15:18 sync.interval',
    '16:29 http.port',
    '16:51 http.headers_timeout',
  ])
})

test('before a place that is no YAML values are judged, and nothing behind it or by its absence', () => {
  const text = 'token_buckets:\n  us: {capacity: 0}\nhttp: {host: 0.0.0.0}\nsync: [1, 2\nauth: {mode: off}\n'
  expect(problems(text).map(({ line, path }) => [line, path])).toEqual([
    [2, 'token_buckets.us.capacity'],
    [4, 'sync'],
    [5, ''],
  ])
})

/** Shares of 33 regions, from a number on. */
const someShares = (from: number): string =>
  Array.from({ length: 33 }, (_, at) => `r${from + at}: {capacity: 1, refill_per_sec: 1}`).join(', ')

test('more than 64 regions in all limits together are refused', () => {
  const text = `limits:\n  a: {shares: {${someShares(0)}}}\n  b: {shares: {${someShares(33)}}}`
  expect(problems(text)[0]?.message).toBe('a cluster of 66 regions is not allowed; allowed: up to 64')
})

/** An override of 5,001 keys, from a number on. */
const someOverride = (from: number): string =>
  `{keys: [${Array.from({ length: 5001 }, (_, at) => `k${from + at}`).join(', ')}], shares: *s}`

test('more than 10,000 keys in all overrides of a limit are refused', () => {
  const text = `limits:\n  a:\n    shares: &s {us: {capacity: 1, refill_per_sec: 1}}\n    overrides: [${someOverride(0)}, ${someOverride(5001)}]`
  expect(problems(text).map(({ path, message }) => [path, message])).toEqual([
    ['limits.a.overrides', 'a list with 10002 keys is not allowed; allowed: up to 10000 in all overrides'],
  ])
})

test('a text of more than 1 MiB is refused unread', () => {
  expect(lines(`#${'é'.repeat(600_000)}`)).toEqual([
    'f.yaml: 1200001 bytes are not allowed; allowed: up to 1048576',
  ])
})

test('100 problems are shown, and how many more there are', () => {
  const shown = lines(`${shares}${Array.from({ length: 130 }, (_, at) => `zz${at}: 1`).join('\n')}`)
  expect(shown).toHaveLength(101)
  expect(shown.at(-1)).toBe('and 30 more')
})

test('as many problems as a text can have are found', () => {
  expect(problems(`a: [${'*x,'.repeat(150_000)}]`)).toHaveLength(150_000)
})

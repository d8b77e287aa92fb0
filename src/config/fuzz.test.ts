import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { parseConfig } from './load.ts'
import { formatProblems } from './problem.ts'

const secret = 'hunter2'

/** What is wrong with the answer to a text: it must be one, and each problem one line with a place inside the text. */
function faults(text: string, env: Record<string, string> = {}): string[] {
  const result = parseConfig(text, { file: 'f.yaml', env })
  if (result.ok) return []
  if (result.errors.length === 0) return ['refused without a problem']
  const lineCount = text.split('\n').length
  return result.errors.flatMap((problem) => {
    const shown = formatProblems([problem])
    const { line, column } = problem
    const isInside = line === null || column === null || (line >= 1 && line <= lineCount && column >= 1)
    return [
      ...(/[\p{C}\p{Zl}\p{Zp}]/u.test(shown) ? [`control characters: ${shown}`] : []),
      ...(shown.includes(secret) ? [`a secret: ${shown}`] : []),
      ...(/undefined|\[object/.test(problem.message) ? [`no words: ${shown}`] : []),
      ...(isInside ? [] : [`outside the text: ${shown}`]),
    ]
  })
}

test('any text is read or refused', () => {
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.string({ unit: fc.constantFrom(...'ab:-[]{}&*!|>\'"%@#,? \n\t0.~<'.split('')), maxLength: 120 }),
  )
  fc.assert(
    fc.property(texts, (text) => {
      expect(faults(text)).toEqual([])
    }),
    { numRuns: 1500 },
  )
})

const words = [
  'token_buckets',
  'limits',
  'ratings',
  'us',
  'capacity',
  'refill_per_sec',
  'shares',
  'overrides',
  'keys',
  'mode',
  'cost',
  'cluster',
  'hash_key_env',
  'auth',
  'api_keys',
  'id',
  'sha256',
  'scopes',
  'jwt',
  'jwks_url',
  'sync',
  'interval',
  'contact_timeout',
  'store',
  'url',
  'url_env',
  'read_url',
  'read_url_env',
  'group_commit',
  'batch_max',
  'queue_max',
  'cache',
  'http',
  'host',
  'port',
  'log',
  'level',
  '__proto__',
  'constructor',
  '',
]

const scalar = fc.oneof(
  fc.constantFrom(
    ...words,
    'pooled',
    'local',
    'off',
    'required',
    '50ms',
    '0.0.0.0',
    'info',
    `postgres://u:${secret}@db/r`,
  ),
  fc.constantFrom(null, true, 0, 1, -5, 1.5, 5000, Infinity, NaN, 1e300),
  fc.string({ maxLength: 8 }),
)

const { anything } = fc.letrec((tie) => ({
  anything: fc.oneof({ maxDepth: 6, withCrossShrink: true }, scalar, tie('map'), tie('list')),
  map: fc
    .array(fc.tuple(fc.constantFrom(...words), tie('anything')), { maxLength: 8 })
    .map((pairs) => new Map(pairs)),
  list: fc.array(tie('anything'), { maxLength: 5 }),
}))

test('any structure made of known keys is read or refused', () => {
  fc.assert(
    fc.property(anything, (value) => {
      expect(faults(stringify(value))).toEqual([])
    }),
    { numRuns: 1000 },
  )
})

const valid = `limits:
  ratings:
    cost: 2
    shares: &s {us: {capacity: 5, refill_per_sec: 1}}
    overrides:
      - {keys: [a, "b"], shares: *s}
auth:
  api_keys: [{id: k, subject: s, sha256: ${'a'.repeat(64)}, scopes: [rate]}]
http: {host: 0.0.0.0, port: 1}
sync: {interval: 50ms}
`

test('a valid file with some of its text changed is read or refused', () => {
  const edit = fc.record({
    at: fc.nat({ max: valid.length }),
    drop: fc.nat({ max: 12 }),
    add: fc.oneof(
      fc.constantFrom(...words, '\n', '\t', ': ', '- ', '*s', '&s ', '{', ']', '"', '!x '),
      fc.string({ maxLength: 3 }),
    ),
  })
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      const text = edits.reduce(
        (some, { at, drop, add }) => some.slice(0, at) + add + some.slice(at + drop),
        valid,
      )
      expect(faults(text)).toEqual([])
    }),
    { numRuns: 1500 },
  )
})

test('no secret comes out of the fields and variables that are for secrets, whatever stands there', () => {
  const around = fc.string({ unit: 'binary', maxLength: 6 })
  const field = fc.constantFrom('store.url', 'auth.api_keys.0', 'auth.api_keys.0.sha256')
  fc.assert(
    fc.property(field, around, around, (path, before, after) => {
      const text = `${before}${secret}${after}`
      const shares = { us: { capacity: 1, refill_per_sec: 1 } }
      const key = path.endsWith('sha256') ? { id: 'a', subject: 's', sha256: text, scopes: ['read'] } : text
      const other = path === 'store.url' ? { store: { url: text } } : { auth: { api_keys: [key] } }
      const env = { OPENCLAW_HASH_KEY: text, RATING_DB_URL: text }
      expect(faults(stringify({ token_buckets: shares, ...other }), env)).toEqual([])
    }),
  )
})

import { expect, test } from 'vitest'
import { compareConfigs } from './changes.ts'
import type { EdgeConfig } from './edge-config.ts'
import { parseConfig } from './load.ts'
import type { Environment } from './overlay.ts'
import { formatProblems } from './problem.ts'
import { nodeAt } from './schema-node.ts'

const limit = (capacity: number): string => `{shares: {us: {capacity: ${capacity}, refill_per_sec: 1}}}`

function config(text: string, env: Environment = {}): EdgeConfig {
  const result = parseConfig(text, { file: 'f.yaml', env })
  if (!result.ok) throw new Error(formatProblems(result.errors))
  return result.config
}

test('limits that came, went and changed are told apart by name', () => {
  const before = config(`limits: {kept: ${limit(1)}, changed: ${limit(1)}, removed: ${limit(1)}}`)
  const after = config(
    `limits: {added: ${limit(1)}, changed: ${limit(2)}, kept: ${limit(1)}}\nlog: {level: warn}`,
  )
  expect(compareConfigs(before, after)).toEqual({
    changes: {
      limitsAdded: ['added'],
      limitsChanged: ['changed'],
      limitsRemoved: ['removed'],
      apiKeysChanged: [],
      jwtChanged: false,
      logLevelChanged: true,
    },
    needRestart: [],
  })
})

test('comments, order and notation are no change', () => {
  const before = config(`limits: {a: ${limit(1)}}\nsync: {interval: 50ms}`)
  const after = config(`sync: {interval: 50} # as before\nlimits: {a: {cost: 1, ${limit(1).slice(1)}}`)
  expect(compareConfigs(before, after)).toEqual({ changes: null, needRestart: [] })
})

test('a secret that changed is named, not shown', () => {
  const text = `limits: {a: ${limit(1)}}`
  const env = { OPENCLAW_HASH_KEY: 'a'.repeat(16), RATING_DB_URL: 'postgres://a/r' }
  const other = { OPENCLAW_HASH_KEY: 'b'.repeat(16), RATING_DB_URL: 'postgres://b/r' }
  expect(compareConfigs(config(text, env), config(text, env)).needRestart).toEqual([])
  expect(compareConfigs(config(text, env), config(text, other)).needRestart).toEqual([
    'cluster.hash_key_env',
    'store.url',
  ])
  expect(compareConfigs(config(text), config(text, env)).needRestart).toHaveLength(2)
})

test('every field that needs a restart is named as it is in the file', () => {
  const before = config(`limits: {a: ${limit(1)}}`)
  const leaves = (value: object): object =>
    Object.fromEntries(
      Object.entries(value).map(([key, part]: [string, unknown]) => [
        key,
        typeof part === 'object' && part !== null && !Array.isArray(part) ? leaves(part) : Symbol('other'),
      ]),
    )
  const other = leaves(before) as EdgeConfig
  const after = { ...other, limits: before.limits, auth: { ...other.auth, apiKeys: [] } }
  const { needRestart } = compareConfigs(before, after)
  expect(needRestart).toContain('store.group_commit.max_delay')
  expect(needRestart.length).toBeGreaterThan(25)
  expect(needRestart.filter((path) => nodeAt(path.split('.')) === undefined)).toEqual([])
})

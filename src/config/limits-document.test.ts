import { expect, test } from 'vitest'
import { parseLimits } from './limits-document.ts'
import { formatProblems } from './problem.ts'

const problems = (text: string): string[] => {
  const result = parseLimits(text, 'f.yaml')
  return result.ok ? [] : formatProblems(result.errors).split('\n')
}

test('only the limits of a configuration are looked at, whatever else it says', () => {
  const shares = { us: { capacity: 1, refill_per_sec: 2 } }
  const text = `token_buckets: ${JSON.stringify(shares)}
limits: { api: { shares: ${JSON.stringify(shares)}, deny: [mallory] } }
cluster: { hash_key_env: NOT_SET }
http: { port: 99999, host: 0.0.0.0 }
nonsense: 1
`
  const result = parseLimits(text, 'f.yaml')
  expect(result.ok && result.limits.map(({ name, deny }) => [name, deny])).toEqual([
    ['ratings', []],
    ['api', ['mallory']],
  ])
  expect(result.ok && result.document).toEqual({
    token_buckets: shares,
    limits: { api: { shares, deny: ['mallory'] } },
  })
  // What it answers is read as the same.
  expect(result.ok && parseLimits(JSON.stringify(result.document), 'f.yaml')).toEqual(result)
})

test('what is wrong in them is reported with its place, and no limits at all are wrong too', () => {
  expect(problems('http: {}\ntoken_buckets:\n  us: { capacity: 0, refill_per_sec: 1 }\n')).toEqual([
    'f.yaml:3:19 token_buckets.us.capacity: 0 is not allowed; allowed: a whole number from 1 to 1000000000',
  ])
  expect(problems('http: {}')[0]).toMatch(/no limit is defined/)
  expect(problems('[]')[0]).toMatch(/a list of 0 is not allowed/)
  expect(problems('"x')[0]).toMatch(/not valid YAML/)
})

import { expect, test } from 'vitest'
import { suggest } from './suggest.ts'

const known = ['capacity', 'refill_per_sec', 'max_body_bytes', 'ttl', 'auth']

test.each([
  ['capcity', 'capacity'],
  ['cpaacity', 'capacity'],
  ['refillPerSec', 'refill_per_sec'],
  ['refill-per-second', 'refill_per_sec'],
  ['max_body', 'max_body_bytes'],
  ['tll', 'ttl'],
  ['AUTH', 'auth'],
])('%s was meant to be %s', (word, meant) => {
  expect(suggest(word, known)).toBe(meant)
})

test.each(['zz', 'tokens', '', 'x'.repeat(10_000)])('%.20s is near to nothing', (word) => {
  expect(suggest(word, known)).toBeUndefined()
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatDuration, parseDuration } from './duration.ts'

test.each([
  ['50ms', 50],
  ['2s', 2000],
  ['1m', 60_000],
  ['24h', 86_400_000],
  ['1.5 s', 1500],
  ['4.35s', 4350],
  ['0.001s', 1],
  ['0ms', 0],
  [75, 75],
])('%j is %d ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test.each([
  '',
  '50',
  's',
  '-1s',
  '1e3ms',
  '5x',
  '1 min',
  '0.5ms',
  '1m30s',
  ' 1s',
  '9999999999h',
  0.5,
  NaN,
  Infinity,
])('%j is no duration', (text) => {
  expect(parseDuration(text)).toBeUndefined()
})

test('what is formatted is read as the same', () => {
  fc.assert(
    fc.property(fc.nat({ max: 1e9 }), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBe(ms)
    }),
  )
})

test.each([
  [0, '0ms'],
  [90_000, '90s'],
  [3_600_000, '1h'],
  [1001, '1001ms'],
])('%d ms are written %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})

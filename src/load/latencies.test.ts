import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Latencies } from './latencies.ts'

const milliseconds = fc.double({ min: 0.001, max: 3_600_000, noNaN: true })

test('each percentile is that of the sorted values, right to 0.1 %', () => {
  fc.assert(
    fc.property(
      fc.array(milliseconds, { minLength: 1, maxLength: 200 }),
      fc.double({ min: 0.1, max: 100, noNaN: true }),
      (values, percent) => {
        const latencies = new Latencies()
        for (const value of values) latencies.record(value)
        const sorted = values.toSorted((a, b) => a - b)
        const found = latencies.percentileMs(percent)
        // Which of two neighbours a percentile between them is may be a matter of rounding.
        const rank = (percent / 100) * values.length
        const right = [Math.floor(rank), Math.ceil(rank), Math.round(rank)].map(
          (at) => sorted[Math.max(0, at - 1)]!,
        )
        expect(right.some((value) => Math.abs(found - value) <= value * 0.001 + 0.001)).toBe(true)
      },
    ),
  )
})

test('of nothing, all is 0', () => {
  expect(new Latencies().summary()).toEqual({ p50: 0, p95: 0, p99: 0, max: 0, mean: 0 })
})

test('the greatest value is the last percentile, and beyond an hour it is an hour', () => {
  const latencies = new Latencies()
  latencies.record(123_456.789)
  expect(latencies.percentileMs(100)).toBeCloseTo(123_456.789, -2)
  latencies.record(1e12)
  expect(latencies.percentileMs(100)).toBeCloseTo(3_600_000, -4)
})

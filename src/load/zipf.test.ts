import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from './random.ts'
import { Zipf } from './zipf.ts'

const draws = 60_000

/** Σ (seen − expected)² ∕ expected over the numbers 1 to `count`. */
function chiSquare(count: number, skew: number): number {
  const zipf = new Zipf({ count, skew, random: seededRandom(7) })
  const seen = Array.from({ length: count }, () => 0)
  for (let i = 0; i < draws; i++) seen[zipf.next() - 1]!++
  const weights = seen.map((_, at) => (at + 1) ** -skew)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return weights.reduce((sum, weight, at) => {
    const expected = (draws * weight) / total
    return sum + (seen[at]! - expected) ** 2 / expected
  }, 0)
}

test.each([0, 0.5, 0.99, 1, 1.5, 3])('with skew %d every number comes up as often as it should', (skew) => {
  // 0.999 quantile of χ² with 19 degrees of freedom.
  expect(chiSquare(20, skew)).toBeLessThan(43.8)
})

test('the shares of a hundred thousand are right too', () => {
  const zipf = new Zipf({ count: 100_000, skew: 0.99, random: seededRandom(3) })
  let first = 0
  for (let i = 0; i < draws; i++) if (zipf.next() === 1) first++
  const total = Array.from({ length: 100_000 }, (_, at) => (at + 1) ** -0.99).reduce((sum, one) => sum + one)
  const expected = draws / total
  expect(Math.abs(first - expected)).toBeLessThan(4 * Math.sqrt(expected))
})

test('numbers are whole and in range, whatever chance brings', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000_000 }),
      fc.double({ min: 0, max: 10, noNaN: true }),
      fc.integer(),
      (count, skew, seed) => {
        const zipf = new Zipf({ count, skew, random: seededRandom(seed) })
        for (let i = 0; i < 20; i++) {
          const number = zipf.next()
          expect(Number.isInteger(number) && number >= 1 && number <= count).toBe(true)
        }
      },
    ),
  )
})

test('the same seed draws the same numbers', () => {
  const draw = (seed: number): number[] => {
    const zipf = new Zipf({ count: 1000, skew: 1, random: seededRandom(seed) })
    return Array.from({ length: 50 }, () => zipf.next())
  }
  expect(draw(5)).toEqual(draw(5))
  expect(draw(5)).not.toEqual(draw(6))
})

import { expect, test } from 'vitest'
import { seededRandom } from './random.ts'
import { Schedule, type ScheduleOptions } from './schedule.ts'

function timesOf(options: Partial<ScheduleOptions>): number[] {
  const schedule = new Schedule({
    ratePerSec: 100,
    rampMs: 0,
    durationMs: 10_000,
    arrivals: 'even',
    random: seededRandom(1),
    ...options,
  })
  const times: number[] = []
  for (; schedule.dueMs < Number.POSITIVE_INFINITY; schedule.advance()) times.push(schedule.dueMs)
  return times
}

const countIn = (times: readonly number[], fromMs: number, toMs: number): number =>
  times.filter((at) => at >= fromMs && at < toMs).length

test('even arrivals have the same time between them, and as many as asked for', () => {
  const times = timesOf({})
  expect(times).toHaveLength(1000)
  for (const [at, ms] of times.entries()) expect(ms - times[0]!).toBeCloseTo(at * 10, 6)
  expect(times[0]).toBeGreaterThan(0)
})

test('two regions are not due at the same instants', () => {
  expect(timesOf({ random: seededRandom(1) })[0]).not.toBe(timesOf({ random: seededRandom(2) })[0])
})

test('in a ramp the rate grows evenly from 0, and stays after it', () => {
  const times = timesOf({ rampMs: 4000, durationMs: 3000 })
  // Half of it on average, and a quarter of that in the first half.
  expect(countIn(times, 0, 4000)).toBe(200)
  expect(countIn(times, 0, 2000)).toBe(50)
  expect(countIn(times, 4000, 5000)).toBe(100)
  expect(countIn(times, 4000, 7000)).toBe(300)
  expect(times).toEqual(times.toSorted((a, b) => a - b))
})

test('poisson arrivals come at the rate, with a variance like their mean', () => {
  const times = timesOf({ arrivals: 'poisson', durationMs: 100_000 })
  const perSecond = Array.from({ length: 100 }, (_, at) => countIn(times, at * 1000, at * 1000 + 1000))
  const mean = perSecond.reduce((sum, count) => sum + count) / 100
  const variance = perSecond.reduce((sum, count) => sum + (count - mean) ** 2, 0) / 99
  expect(mean).toBeGreaterThan(95)
  expect(mean).toBeLessThan(105)
  expect(variance).toBeGreaterThan(60)
  expect(variance).toBeLessThan(150)
})

import { expect, test } from 'vitest'
import { Meter, type Finished } from './meter.ts'
import type { Answer } from './client.ts'

const finished = (dueMs: number, endMs: number, answer: Answer = 200): Finished => ({
  dueMs,
  sentMs: dueMs + 1,
  endMs,
  steps: [{ name: 'take', answer, tookMs: endMs - dueMs - 1 }],
})

const meter = (): Meter => new Meter({ region: 'us', url: 'http://127.0.0.1:1', rampMs: 1000 })

test('the ramp is in the seconds, and nowhere else', () => {
  const one = meter()
  one.record(finished(500, 900))
  one.record(finished(990, 1100))
  one.record(finished(1500, 1520))
  one.skip(900)
  one.endSecondsBefore(2000)
  const result = one.result()
  expect(result).toMatchObject({ due: 1, answered: 1, notSent: 0 })
  expect(result.latencyMs.max).toBeCloseTo(20, 1)
  expect(result.seconds.map(({ answered }) => answered)).toEqual([1, 2])
})

test('outcomes are told apart', () => {
  const one = meter()
  const answers: Answer[] = [200, 201, 202, 429, 503, 503, 'timeout', 'no connection', 404]
  for (const [at, answer] of answers.entries()) one.record(finished(1100 + at, 1200 + at, answer))
  one.skip(1300)
  expect(one.result()).toMatchObject({
    due: 10,
    answered: 4,
    exhausted: 1,
    queued: 1,
    failed: 5,
    notSent: 1,
    failures: { 'HTTP 503': 2, timeout: 1, 'no connection': 1, 'HTTP 404': 1 },
  })
})

test('seconds in which nothing ended are zeros, and each has percentiles of its own', () => {
  const one = meter()
  one.record(finished(0, 100))
  one.record(finished(3000, 3010))
  one.endSecondsBefore(4500)
  const { seconds } = one.result()
  expect(seconds.map(({ answered }) => answered)).toEqual([1, 0, 0, 1])
  expect(seconds[0]!.p95Ms).toBeCloseTo(100, 1)
  expect(seconds[1]!.p95Ms).toBe(0)
  expect(seconds[3]!.p95Ms).toBeCloseTo(10, 1)
})

test('throughput counts what is answered between the ramp and the end, whenever it was due', () => {
  const one = meter()
  for (let i = 0; i < 10; i++) one.record(finished(500, 990))
  for (let i = 0; i < 20; i++) one.record(finished(500, 1500))
  for (let i = 0; i < 40; i++) one.record(finished(2900, 2950))
  one.end(3000)
  for (let i = 0; i < 80; i++) one.record(finished(2900, 3100))
  expect(one.result()).toMatchObject({ due: 120, answered: 120, throughputPerSec: 30 })
})

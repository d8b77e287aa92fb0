import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Meter, type RegionResult } from './meter.ts'
import { OpenLoop } from './open-loop.ts'
import type { Step } from './operations.ts'
import { Schedule } from './schedule.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const done = (tookMs: number): Step[] => [{ name: 'take', answer: 200, tookMs }]

interface Run {
  readonly loop: OpenLoop
  readonly sentMs: number[]
  result(): RegionResult
}

/** 100 operations a second for two seconds, each as long as `takesMs` says of the time at which it is sent. */
function start(takesMs: (sentMs: number) => number, inFlightMax = 1000): Run {
  const startMs = performance.now()
  const nowMs = (): number => performance.now() - startMs
  const meter = new Meter({ region: 'us', url: 'http://127.0.0.1:1', rampMs: 0 })
  const sentMs: number[] = []
  const run = (): Promise<Step[]> => {
    sentMs.push(nowMs())
    const tookMs = takesMs(nowMs())
    return new Promise((resolve) => setTimeout(() => resolve(done(tookMs)), tookMs))
  }
  const schedule = new Schedule({
    ratePerSec: 100,
    rampMs: 0,
    durationMs: 2000,
    arrivals: 'even',
    random: () => 0.5,
  })
  const loop = new OpenLoop({ schedule, meter, inFlightMax, run, nowMs })
  loop.start()
  return { loop, sentMs, result: () => meter.result() }
}

test('operations are sent when they are due, whether or not earlier ones were answered', async () => {
  const run = start(() => 1500)
  await vi.advanceTimersByTimeAsync(1000)
  expect(run.sentMs).toHaveLength(100)
  expect(run.loop.inFlight).toBe(100)
  await vi.advanceTimersByTimeAsync(3000)
  await run.loop.idle
  expect(run.result()).toMatchObject({ due: 200, answered: 200, failed: 0, notSent: 0 })
  expect(run.result().latencyMs.p50).toBeCloseTo(1500, -1)
})

test('what was due at the end is sent, although the timer is late', async () => {
  const run = start(() => 1)
  await vi.advanceTimersByTimeAsync(1900)
  // The process was busy with something else meanwhile.
  const late = performance.now() + 200
  vi.spyOn(performance, 'now').mockImplementation(() => late)
  await vi.advanceTimersByTimeAsync(50)
  vi.restoreAllMocks()
  await vi.advanceTimersByTimeAsync(300)
  await run.loop.idle
  expect(run.result()).toMatchObject({ due: 200, answered: 200, notSent: 0 })
})

test('a stall is charged to all operations that were due in it: no coordinated omission', async () => {
  // One connection, answers in a millisecond, and once in half a second.
  const run = start((sentMs) => (sentMs > 500 && sentMs < 510 ? 500 : 1), 1)
  await vi.advanceTimersByTimeAsync(3000)
  await run.loop.idle
  const { answered, latencyMs, stepsMs, sendDelayMs } = run.result()
  expect(answered).toBe(200)
  // All answers but one were quick; but 50 of 200 were due during the stall, and late.
  expect(stepsMs['take']!.p95).toBeGreaterThan(350)
  expect(latencyMs.p95).toBeGreaterThan(350)
  expect(sendDelayMs.p95).toBeGreaterThan(350)
})

test('no more are under way than allowed, and what could not be sent by the end is counted', async () => {
  const run = start(() => 100, 4)
  await vi.advanceTimersByTimeAsync(1000)
  expect(run.loop.inFlight).toBe(4)
  await vi.advanceTimersByTimeAsync(2000)
  await run.loop.idle
  const { due, answered, notSent } = run.result()
  expect(due).toBe(200)
  expect(answered + notSent).toBe(200)
  // 4 at a time, ten times a second, for two seconds.
  expect(answered).toBeGreaterThanOrEqual(76)
  expect(answered).toBeLessThanOrEqual(84)
})

test('after a queue is worked off, the next operations are sent on time again', async () => {
  const run = start((sentMs) => (sentMs < 100 ? 300 : 1), 5)
  await vi.advanceTimersByTimeAsync(3000)
  await run.loop.idle
  const late = run.sentMs.filter((sentMs, at) => sentMs > 1000 && sentMs - (at * 10 + 5) > 2)
  expect(late).toEqual([])
  expect(run.sentMs).toHaveLength(200)
})

test('stopped early, it sends no more, counts what was due until then, and waits for answers', async () => {
  const run = start(() => 700)
  await vi.advanceTimersByTimeAsync(1000)
  run.loop.stop(1000)
  let idle = false
  void run.loop.idle.then(() => (idle = true))
  await vi.advanceTimersByTimeAsync(100)
  expect(idle).toBe(false)
  await vi.advanceTimersByTimeAsync(1000)
  expect(idle).toBe(true)
  expect(run.sentMs).toHaveLength(100)
  expect(run.result()).toMatchObject({ due: 100, answered: 100, notSent: 0 })
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BatchTuner } from './batch-tuner.ts'

const bounds = fc.record({
  batchMax: fc.integer({ min: 1, max: 5000 }),
  maxDelayMs: fc.integer({ min: 0, max: 100 }),
  inFlightMax: fc.integer({ min: 1, max: 64 }),
})
const batch = fc.record({
  size: fc.integer({ min: 1, max: 5000 }),
  durationMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
})

test('whatever was measured, batches and delays stay within their bounds', () => {
  fc.assert(
    fc.property(bounds, fc.array(batch, { maxLength: 200 }), (given, batches) => {
      const tuner = new BatchTuner(given)
      for (const { size, durationMs } of [...batches, undefined].map(
        (one) => one ?? { size: 1, durationMs: 0 },
      )) {
        expect(tuner.batchMax).toBeGreaterThanOrEqual(Math.min(100, given.batchMax))
        expect(tuner.batchMax).toBeLessThanOrEqual(given.batchMax)
        expect(tuner.delayMs).toBeGreaterThanOrEqual(0)
        expect(tuner.delayMs).toBeLessThanOrEqual(given.maxDelayMs)
        tuner.note(size, durationMs)
      }
    }),
  )
})

test('a store with a round trip and a cost for each write is learnt, also after it has changed', () => {
  const store = fc.record({
    fixedMs: fc.double({ min: 0.5, max: 200, noNaN: true }),
    writeMs: fc.double({ min: 0.005, max: 0.2, noNaN: true }),
  })
  const sizes = fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 200, maxLength: 200 })
  fc.assert(
    fc.property(store, store, sizes, (before, after, some) => {
      const tuner = new BatchTuner({ batchMax: 1e9, maxDelayMs: 1e9, inFlightMax: 4 })
      for (const { fixedMs, writeMs } of [before, after]) {
        for (const size of [...some, 1, 2000]) tuner.note(size, fixedMs + size * writeMs)
      }
      const { fixedMs, writeMs } = after
      const [batchMax, delayMs] = [(9 * fixedMs) / writeMs, Math.max(fixedMs / 4, Math.min(fixedMs, 2))]
      expect(Math.abs(tuner.delayMs - delayMs)).toBeLessThan(0.05 * delayMs + 0.5)
      expect(Math.abs(tuner.batchMax - Math.max(100, batchMax))).toBeLessThan(
        0.05 * batchMax + (0.5 / writeMs) * 9 + 1,
      )
    }),
  )
})

test('a store across an ocean gets bigger batches, further apart, than one next door', () => {
  const tuned = (fixedMs: number): BatchTuner => {
    const tuner = new BatchTuner({ batchMax: 2000, maxDelayMs: 20, inFlightMax: 8 })
    for (let n = 0; n < 50; n++) tuner.note(50 + n, fixedMs + (50 + n) * 0.02)
    return tuner
  }
  expect([tuned(1).batchMax, tuned(1).delayMs]).toEqual([expect.closeTo(450, -2), expect.closeTo(1, 0)])
  expect([tuned(150).batchMax, tuned(150).delayMs]).toEqual([2000, expect.closeTo(150 / 8, 0)])
})

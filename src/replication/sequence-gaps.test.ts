import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SequenceGaps } from './sequence-gaps.ts'

test('what is only late or doubled is not lost', () => {
  const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 })
  fc.assert(
    fc.property(order, fc.array(fc.nat({ max: 7 })), (shuffled, doubled) => {
      const gaps = new SequenceGaps()
      gaps.received(0, 0)
      for (const sequence of [...shuffled, ...doubled]) gaps.received(sequence, 10)
      expect(gaps.takeLost(1e6, 100)).toBe(false)
    }),
  )
})

test('what is missing for longer than patience is lost, and told once', () => {
  const gaps = new SequenceGaps()
  for (const sequence of [5, 6, 8, 9]) gaps.received(sequence, 1000)
  expect(gaps.takeLost(1099, 100)).toBe(false)
  expect(gaps.takeLost(1100, 100)).toBe(true)
  expect(gaps.takeLost(9999, 100)).toBe(false)
  gaps.received(7, 9999)
  gaps.received(10, 9999)
  expect(gaps.takeLost(99_999, 100)).toBe(false)
})

test('a gap that closes while another is open starts the wait anew', () => {
  const gaps = new SequenceGaps()
  for (const sequence of [0, 2, 4]) gaps.received(sequence, 0)
  gaps.received(1, 90)
  expect(gaps.takeLost(150, 100)).toBe(false)
  expect(gaps.takeLost(190, 100)).toBe(true)
})

test('what is kept is bounded', () => {
  const gaps = new SequenceGaps()
  gaps.received(0, 0)
  for (let sequence = 2; sequence < 300; sequence++) gaps.received(sequence, 0)
  expect(gaps.takeLost(0, 100)).toBe(true)
})

test('after a reset any number is the first', () => {
  const gaps = new SequenceGaps()
  for (const sequence of [100, 102]) gaps.received(sequence, 0)
  gaps.reset()
  gaps.received(3, 0)
  gaps.received(4, 0)
  expect(gaps.takeLost(1e6, 100)).toBe(false)
})

import { expect, test } from 'vitest'
import { CoarseClock } from './coarse-clock.ts'

test('one reading of the real clock serves up to 64 reads, and a refresh renews it', () => {
  let realMs = 0
  const clock = new CoarseClock(() => realMs)
  realMs = 5
  expect(clock.nowMs()).toBe(0)
  clock.refresh()
  expect(clock.nowMs()).toBe(5)
  realMs = 9
  const reads = Array.from({ length: 64 }, () => clock.nowMs())
  expect(new Set(reads)).toEqual(new Set([5, 9]))
  expect(reads.at(-1)).toBe(9)
})

test('an exact reading is never from memory, and no later one is behind it', () => {
  let realMs = 0
  const clock = new CoarseClock(() => realMs)
  realMs = 7
  expect(clock.exactMs()).toBe(7)
  expect(clock.nowMs()).toBe(7)
})

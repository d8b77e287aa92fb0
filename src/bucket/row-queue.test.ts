import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RowQueue } from './row-queue.ts'

test('what goes in comes out in the same order, however long it grows', () => {
  const steps = fc.array(fc.oneof(fc.record({ push: fc.nat({ max: 50 }), shift: fc.nat({ max: 50 }) })), {
    maxLength: 200,
  })
  fc.assert(
    fc.property(steps, (list) => {
      const queue = new RowQueue()
      const model: number[] = []
      let next = 0
      for (const { push, shift } of list) {
        for (let n = 0; n < push; n++) {
          queue.push(next)
          model.push(next++)
        }
        for (let n = 0; n < shift; n++) expect(queue.shift()).toBe(model.shift())
        expect(queue.length).toBe(model.length)
      }
    }),
  )
})

test('repeated numbers are removed, the first of each stays', () => {
  const queue = new RowQueue()
  for (const number of [9, 5, 7, 5, 9, 1]) queue.push(number)
  expect(queue.shift()).toBe(9)
  queue.removeRepeated()
  expect([queue.shift(), queue.shift(), queue.shift(), queue.shift(), queue.shift()]).toEqual([
    5,
    7,
    9,
    1,
    undefined,
  ])
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BucketTable, firstReplicaWord } from './table.ts'

// Few different slots and halves, so that runs of the index are long, wrap around and are torn by removals.
const hashes = fc.record({
  lo: fc.constantFrom(0, 1, 2, 2047, 2046, 4095, -1, -2049),
  hi: fc.integer({ min: 0, max: 9 }),
})
const steps = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('insert' as const), hash: hashes, value: fc.nat() }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('remove' as const), hash: hashes }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('replicas' as const), count: fc.integer({ min: 1, max: 6 }) }),
    },
  ),
  { maxLength: 300 },
)

test('a table holds what a Map would hold, whatever is inserted and removed', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const table = new BucketTable({ rowsMax: 1000, replicas: 1 })
      const model = new Map<string, { lo: number; hi: number; value: number }>()
      for (const step of list) {
        if (step.kind === 'replicas') {
          table.setReplicas(step.count)
          continue
        }
        const { lo, hi } = step.hash
        const key = `${lo} ${hi}`
        const row = table.find(lo, hi)
        expect(row >= 0).toBe(model.has(key))
        if (step.kind === 'insert' && row < 0) {
          const made = table.insert(lo, hi)
          table.doubles[made >> 1] = step.value + 0.5
          table.words[made + firstReplicaWord] = step.value
          model.set(key, { lo, hi, value: step.value })
        }
        if (step.kind === 'remove' && row >= 0) {
          table.remove(row)
          model.delete(key)
        }
      }
      expect(table.size).toBe(model.size)
      for (const { lo, hi, value } of model.values()) {
        const row = table.find(lo, hi)
        expect(table.doubles[row >> 1]).toBe(value + 0.5)
        expect(table.words[row + firstReplicaWord]).toBe(value | 0)
      }
    }),
  )
})

test('rows and index grow to the bound, and freed rows are used again', () => {
  const rowsMax = 20_000
  const table = new BucketTable({ rowsMax, replicas: 3 })
  for (let i = 0; i < rowsMax; i++) {
    const row = table.insert(i, -i)
    table.doubles[row >> 1] = i
  }
  expect(table.isFull).toBe(true)
  for (let i = 0; i < rowsMax; i++) expect(table.doubles[table.find(i, -i) >> 1]).toBe(i)
  for (let i = 0; i < rowsMax; i += 2) table.remove(table.find(i, -i))
  for (let i = 0; i < rowsMax; i += 2) table.insert(i, i + 1)
  expect(table.rowsEverUsed).toBe(rowsMax)
  expect(table.size).toBe(rowsMax)
  expect(table.find(0, 0)).toBe(-1)
})

test('a row for three replicas has 64 bytes', () => {
  expect(new BucketTable({ rowsMax: 10, replicas: 3 }).stride * 4).toBe(72)
})

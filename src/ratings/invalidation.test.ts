import fc from 'fast-check'
import { expect, test } from 'vitest'
import { changesMax, decodeInvalidation, encodeInvalidation } from './invalidation.ts'

const names = fc.string({ unit: 'grapheme', maxLength: 40 })
const changes = fc.array(fc.record({ subject: names, user: names }), { maxLength: 20 })

test('what is encoded is decoded again', () => {
  fc.assert(
    fc.property(changes, (list) => {
      expect(decodeInvalidation(encodeInvalidation(list))).toEqual(list)
    }),
  )
})

test('other bytes, and messages that are too long, are no news', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(decodeInvalidation(bytes)).toBeUndefined()
    }),
  )
  const many = Array.from({ length: changesMax + 1 }, () => ({ subject: 'a', user: 'b' }))
  expect(decodeInvalidation(encodeInvalidation(many))).toBeUndefined()
  expect(decodeInvalidation(Buffer.from('{"v":2,"changes":[]}'))).toBeUndefined()
})

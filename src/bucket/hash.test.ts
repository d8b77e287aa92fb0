import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { KeyedHash, type Key64, type Rounds } from './hash.ts'

/** Key bytes 00 to 07. */
const vectorKey: Key64 = { lo: 0x03020100, hi: 0x07060504 }
const rounds24: Rounds = { compression: 2, finalization: 4 }

/** HalfSipHash-2-4, 64-bit tags of the bytes 00, 01, … (n − 1), from the reference's `vectors.h` (vectors_hsip64). */
const vectors = [
  '218d1f59b9b83cc8',
  'be552412f8387315',
  '064f39ef7c50eb57',
  'ce0f1a45f7060679',
  'd5e78a175be52ea1',
  'cb9d7c3f2f3db580',
  'ce3e91358aa2bc25',
  'ff202728b07bc684',
  'edfee820bce4858c',
  '5b51cccc13888307',
  '95b0469f06a6f2ee',
  'ae26333994ddcd48',
]

function hashOf(key: Key64, text: string, rounds?: Rounds): Key64 {
  const hash = new KeyedHash(key, rounds)
  hash.update(text)
  return { lo: hash.lo, hi: hash.hi }
}

function hex({ lo, hi }: Key64): string {
  const bytes = Buffer.alloc(8)
  bytes.writeInt32LE(lo, 0)
  bytes.writeInt32LE(hi, 4)
  return bytes.toString('hex')
}

const rotate = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits))

/** HalfSipHash of bytes, written line by line after the reference `halfsiphash.c`, with no thought of speed. */
function referenceHash(key: Key64, bytes: Uint8Array, { compression, finalization }: Rounds): Key64 {
  let [v0, v1, v2, v3] = [key.lo, key.hi ^ 0xee, key.lo ^ 0x6c796765, key.hi ^ 0x74656462]
  const round = (): void => {
    v0 = (v0 + v1) | 0
    v1 = rotate(v1, 5) ^ v0
    v0 = rotate(v0, 16)
    v2 = (v2 + v3) | 0
    v3 = rotate(v3, 8) ^ v2
    v0 = (v0 + v3) | 0
    v3 = rotate(v3, 7) ^ v0
    v2 = (v2 + v1) | 0
    v1 = rotate(v1, 13) ^ v2
    v2 = rotate(v2, 16)
  }
  const padded = Buffer.alloc((bytes.length >> 2) * 4 + 4)
  padded.set(bytes)
  padded[padded.length - 1] = bytes.length & 0xff
  for (let at = 0; at < padded.length; at += 4) {
    v3 ^= padded.readInt32LE(at)
    for (let i = 0; i < compression; i++) round()
    v0 ^= padded.readInt32LE(at)
  }
  v2 ^= 0xee
  for (let i = 0; i < finalization; i++) round()
  const lo = v1 ^ v3
  v1 ^= 0xdd
  for (let i = 0; i < finalization; i++) round()
  return { lo, hi: v1 ^ v3 }
}

describe('KeyedHash', () => {
  test.each(vectors.map((tag, length) => ({ tag, length })))(
    'gives the official tag of $length bytes with 2 and 4 rounds',
    ({ tag, length }) => {
      const text = String.fromCharCode(...Array.from({ length }, (_, byte) => byte))
      expect(hex(hashOf(vectorKey, text, rounds24))).toBe(tag)
    },
  )

  test('hashes the UTF-8 bytes of any text, whatever the key and the rounds', () => {
    const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
    fc.assert(
      fc.property(
        fc.record({ lo: word, hi: word }),
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.record({
          compression: fc.integer({ min: 1, max: 4 }),
          finalization: fc.integer({ min: 1, max: 4 }),
        }),
        (key, text, rounds) => {
          expect(hashOf(key, text, rounds)).toEqual(referenceHash(key, Buffer.from(text, 'utf8'), rounds))
        },
      ),
      { numRuns: 300 },
    )
  })

  test.each(['é', 'żółw', '日本語', '👩‍🚀', `${'a'.repeat(300)}ü`, '\u007f\u0080\u00ff\u0100'])(
    'hashes the UTF-8 bytes of %s',
    (text) => {
      const expected = referenceHash(vectorKey, Buffer.from(text, 'utf8'), {
        compression: 1,
        finalization: 3,
      })
      expect(hashOf(vectorKey, text)).toEqual(expected)
    },
  )

  test('needs the key: another key is another hash', () => {
    const other = { lo: vectorKey.lo ^ 1, hi: vectorKey.hi }
    expect(hashOf(other, 'user:1')).not.toEqual(hashOf(vectorKey, 'user:1'))
  })

  test('spreads keys that differ in a digit evenly over the slots of an index, by each half', () => {
    const slots = 256
    const keys = 65_536
    const hash = new KeyedHash(vectorKey)
    const seen = new Set<string>()
    const counts = { lo: new Float64Array(slots), hi: new Float64Array(slots) }
    for (let i = 0; i < keys; i++) {
      hash.update(`user:${i}`)
      counts.lo[hash.lo & (slots - 1)]!++
      counts.hi[hash.hi & (slots - 1)]!++
      seen.add(`${hash.lo} ${hash.hi}`)
    }
    const expected = keys / slots
    for (const half of [counts.lo, counts.hi]) {
      const chiSquare = half.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
      // 255 degrees of freedom: mean 255, standard deviation 22.6; five of them either way.
      expect(chiSquare).toBeGreaterThan(142)
      expect(chiSquare).toBeLessThan(368)
    }
    expect(seen.size).toBe(keys)
  })

  test('derives a hash of its own for each name, the same each time, and leaves this one as it was', () => {
    const hash = new KeyedHash(vectorKey)
    const under = (name: string): Key64 => {
      const derived = hash.derive(name)
      derived.update('user:1')
      return { lo: derived.lo, hi: derived.hi }
    }
    const [ratings, search] = [under('ratings'), under('search')]
    expect(ratings).not.toEqual(search)
    expect(under('ratings')).toEqual(ratings)
    expect(ratings).not.toEqual(hashOf(vectorKey, 'user:1'))
    hash.update('user:1')
    expect({ lo: hash.lo, hi: hash.hi }).toEqual(hashOf(vectorKey, 'user:1'))
  })

  test('derives with the same rounds', () => {
    const parent = hashOf(vectorKey, 'ratings', rounds24)
    const derived = new KeyedHash(vectorKey, rounds24).derive('ratings')
    derived.update('user:1')
    expect({ lo: derived.lo, hi: derived.hi }).toEqual(hashOf(parent, 'user:1', rounds24))
  })
})

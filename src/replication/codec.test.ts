import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decode, encode, entriesMax } from './codec.ts'
import {
  batchEntryBytes,
  messageBytesMax,
  type Entry,
  type Lease,
  type ReplicationMessage,
} from './messages.ts'

const u32 = fc.nat({ max: 0xffffffff })
const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
const amount = fc.float({ min: 0, max: Math.fround(1e12), noNaN: true })
const entry = (debt: fc.Arbitrary<number>): fc.Arbitrary<Entry> =>
  fc.record({ lo: i32, hi: i32, generation: u32, taken: u32, returned: u32, ownDebt: amount, debt })
const sections = (debt: fc.Arbitrary<number>): fc.Arbitrary<{ table: number; entries: Entry[] }[]> =>
  fc.array(fc.record({ table: u32, entries: fc.array(entry(debt), { maxLength: 5 }) }), { maxLength: 4 })
const incarnation = fc.maxSafeNat()
const lease: fc.Arbitrary<Lease> = fc.record({
  lo: i32,
  hi: i32,
  part: fc.float({ min: 0, max: 1, noNaN: true }),
  tokens: amount,
  need: amount,
  memory: amount,
})
const leases = fc.array(fc.record({ table: u32, leases: fc.array(lease, { maxLength: 5 }) }), {
  maxLength: 4,
})
const start = fc.record({ table: u32, row: u32 })

const message: fc.Arbitrary<ReplicationMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('batch' as const),
    incarnation,
    sequence: u32,
    hears: fc.array(fc.record({ name: u32, sequence: u32, heldMs: fc.nat({ max: 65_535 }) }), {
      maxLength: 255,
    }),
    sections: sections(fc.constant(Number.NaN)),
  }),
  fc.record({ kind: fc.constant('request' as const), incarnation, request: u32, start }),
  fc.record({
    kind: fc.constant('page' as const),
    incarnation,
    request: u32,
    next: fc.option(start, { nil: undefined }),
    sections: sections(amount),
  }),
  fc.record({ kind: fc.constant('claims' as const), incarnation, sentAt: i32, sections: leases }),
  fc.record({
    kind: fc.constant('grants' as const),
    incarnation,
    claimant: incarnation,
    sentAt: i32,
    sections: leases,
  }),
)

const sample: Entry = { lo: 1, hi: 2, generation: 3, taken: 4, returned: 5, ownDebt: 6, debt: Number.NaN }

test('what is encoded is decoded again', () => {
  fc.assert(
    fc.property(message, (original) => {
      expect(decode(encode(original))).toEqual(original)
    }),
  )
})

test('any bytes are a message, or malformed, or of another version; nothing throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(decode(bytes)).toBe('malformed')
    }),
    { numRuns: 2000 },
  )
})

test('a message with bytes changed, cut off or added is decoded to something sound, or refused', () => {
  const change = fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }) })
  fc.assert(
    fc.property(
      message,
      fc.array(change, { maxLength: 6 }),
      fc.integer({ min: -20, max: 20 }),
      (original, changes, resize) => {
        const valid = encode(original)
        const bytes = new Uint8Array(Math.max(0, valid.length + resize))
        bytes.set(valid.subarray(0, bytes.length))
        for (const { at, to } of changes) if (bytes.length > 0) bytes[at % bytes.length] = to
        const decoded = decode(bytes)
        if (resize !== 0 && changes.length === 0) expect(decoded).toBe('malformed')
        if (typeof decoded !== 'object' || decoded.kind === 'request') return
        const amounts = decoded.sections.flatMap((section) =>
          'entries' in section
            ? section.entries.map(({ ownDebt }) => ownDebt)
            : section.leases.flatMap(({ part, tokens, need, memory }) => [part, tokens, need, memory]),
        )
        for (const told of amounts) {
          expect(told).toBeGreaterThanOrEqual(0)
          expect(Number.isFinite(told)).toBe(true)
        }
      },
    ),
    { numRuns: 3000 },
  )
})

test('another version is told apart', () => {
  const bytes = encode({ kind: 'request', incarnation: 1, request: 2, start: { table: 0, row: 0 } })
  bytes[2] = 2
  expect(decode(bytes)).toBe('version')
})

test('a length that the message cannot hold allocates nothing', () => {
  const bytes = encode({
    kind: 'batch',
    incarnation: 1,
    sequence: 1,
    hears: [],
    sections: [{ table: 1, entries: [sample] }],
  })
  new DataView(bytes.buffer).setUint32(bytes.length - batchEntryBytes - 4, 0xffffffff, true)
  expect(decode(bytes)).toBe('malformed')
})

test('a bucket takes 24 bytes of a batch, and the largest batch 512 KiB at most', () => {
  const sized = (entries: Entry[]): number =>
    encode({ kind: 'batch', incarnation: 1, sequence: 1, hears: [], sections: [{ table: 1, entries }] })
      .length
  expect(sized([sample, sample]) - sized([sample])).toBe(24)
  const hears = Array.from({ length: 255 }, (_, i) => ({ name: i, sequence: i, heldMs: i }))
  const entries = Array.from({ length: entriesMax('batch', 1) }, () => sample)
  const largest = encode({
    kind: 'batch',
    incarnation: 1,
    sequence: 1,
    hears,
    sections: [{ table: 1, entries }],
  })
  expect(largest.length).toBeLessThanOrEqual(messageBytesMax)
  expect(largest.length).toBeGreaterThan(messageBytesMax - 64)
})

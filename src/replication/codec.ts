/**
 * The messages of bucket replication, in bytes, little-endian:
 *
 *   header   'O' 'C' version kind
 *   batch    incarnation f64, sequence u32, hears u8 × u32, sections
 *   request  incarnation f64, request u32, table u32, row u32
 *   page     incarnation f64, request u32, done u8, table u32, row u32, sections
 *   sections u16 × (table u32, count u32, count × entry)
 *   entry    hash i32 ×2, generation u32, taken u32, returned u32, own debt f32 [, in a page: debt f32]: 24 or 28 bytes
 */

export const codecVersion = 1
/** Bytes of a message at most. */
export const messageBytesMax = 512 * 1024
export const batchEntryBytes = 24
const pageEntryBytes = 28
const hearsMax = 255

/** One bucket's counters of one replica; the fields are explained where buckets are. */
export interface Entry {
  lo: number
  hi: number
  generation: number
  taken: number
  returned: number
  ownDebt: number
  /** NaN in a batch. */
  debt: number
}

/** Buckets of one table, named by the hash of its limit. */
export interface Section {
  readonly table: number
  readonly entries: readonly Entry[]
}

/** What changed at the sender since its last batch; a heartbeat if nothing did. */
export interface Batch {
  readonly kind: 'batch'
  readonly incarnation: number
  readonly sequence: number
  /** Hashes of the names of the replicas that the sender hears. */
  readonly hears: readonly number[]
  readonly sections: readonly Section[]
}

/** Where a page begins: a table, and a row of it. */
export interface PageStart {
  readonly table: number
  readonly row: number
}

/** Asks for live buckets, from somewhere on. */
export interface LiveRequest {
  readonly kind: 'request'
  /** The asker's. */
  readonly incarnation: number
  readonly request: number
  readonly start: PageStart
}

/** Answers a request. */
export interface LivePage {
  readonly kind: 'page'
  /** The answerer's. */
  readonly incarnation: number
  readonly request: number
  /** Where the next page begins; undefined after the last. */
  readonly next: PageStart | undefined
  readonly sections: readonly Section[]
}

export type ReplicationMessage = Batch | LiveRequest | LivePage

const kinds = { batch: 1, request: 2, page: 3 } as const
const headerBytes = 4

/** How many entries a message may carry beside its headers, given its sections. */
export function entriesMax(kind: 'batch' | 'page', sections: number): number {
  const overhead = headerBytes + 8 + 4 + 1 + 4 * hearsMax + 9 + 2 + 8 * sections
  return Math.floor((messageBytesMax - overhead) / (kind === 'batch' ? batchEntryBytes : pageEntryBytes))
}

export function encode(message: ReplicationMessage): Uint8Array {
  const writer = new Writer(sizeOf(message))
  writer.u8(0x4f)
  writer.u8(0x43)
  writer.u8(codecVersion)
  writer.u8(kinds[message.kind])
  writer.f64(message.incarnation)
  switch (message.kind) {
    case 'batch':
      writer.u32(message.sequence)
      writer.u8(message.hears.length)
      for (const hash of message.hears) writer.u32(hash)
      writer.sections(message.sections, false)
      break
    case 'request':
      writer.u32(message.request)
      writer.u32(message.start.table)
      writer.u32(message.start.row)
      break
    case 'page':
      writer.u32(message.request)
      writer.u8(message.next ? 0 : 1)
      writer.u32(message.next?.table ?? 0)
      writer.u32(message.next?.row ?? 0)
      writer.sections(message.sections, true)
  }
  return writer.bytes
}

/** Why bytes are no message. */
export type Malformed = 'version' | 'malformed'

/** Reads a message, or says why it is none; never throws, whatever the bytes. */
export function decode(bytes: Uint8Array): ReplicationMessage | Malformed {
  if (bytes.length < headerBytes + 8 || bytes.length > messageBytesMax) return 'malformed'
  if (bytes[0] !== 0x4f || bytes[1] !== 0x43) return 'malformed'
  if (bytes[2] !== codecVersion) return 'version'
  const reader = new Reader(bytes, headerBytes)
  const message = read(bytes[3]!, reader)
  return message && reader.atEnd ? message : 'malformed'
}

function read(kind: number, reader: Reader): ReplicationMessage | undefined {
  const incarnation = reader.f64()
  if (!Number.isSafeInteger(incarnation) || incarnation < 0) return undefined
  switch (kind) {
    case kinds.batch: {
      const sequence = reader.u32()
      const hears = Array.from({ length: reader.u8() }, () => reader.u32())
      const sections = reader.sections(false)
      return sections && { kind: 'batch', incarnation, sequence, hears, sections }
    }
    case kinds.request: {
      const request = reader.u32()
      return { kind: 'request', incarnation, request, start: { table: reader.u32(), row: reader.u32() } }
    }
    case kinds.page: {
      const request = reader.u32()
      const done = reader.u8()
      const start = { table: reader.u32(), row: reader.u32() }
      const sections = reader.sections(true)
      return sections && { kind: 'page', incarnation, request, next: done ? undefined : start, sections }
    }
    default:
      return undefined
  }
}

function sizeOf(message: ReplicationMessage): number {
  const fixed = headerBytes + 8 + 4
  if (message.kind === 'request') return fixed + 8
  const entryBytes = message.kind === 'batch' ? batchEntryBytes : pageEntryBytes
  const own = message.kind === 'batch' ? 1 + 4 * message.hears.length : 9
  return message.sections.reduce((sum, s) => sum + 8 + s.entries.length * entryBytes, fixed + own + 2)
}

class Writer {
  readonly bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(size: number) {
    this.bytes = new Uint8Array(size)
    this.#view = new DataView(this.bytes.buffer)
  }

  u8(value: number): void {
    this.#view.setUint8(this.#at, value)
    this.#at += 1
  }

  u32(value: number): void {
    this.#view.setUint32(this.#at, value, true)
    this.#at += 4
  }

  f32(value: number): void {
    this.#view.setFloat32(this.#at, value, true)
    this.#at += 4
  }

  f64(value: number): void {
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
  }

  sections(sections: readonly Section[], withDebt: boolean): void {
    this.#view.setUint16(this.#at, sections.length, true)
    this.#at += 2
    for (const { table, entries } of sections) {
      this.u32(table)
      this.u32(entries.length)
      for (const entry of entries) {
        this.u32(entry.lo)
        this.u32(entry.hi)
        this.u32(entry.generation)
        this.u32(entry.taken)
        this.u32(entry.returned)
        this.f32(entry.ownDebt)
        if (withDebt) this.f32(entry.debt)
      }
    }
  }
}

/** Reads zeros past the end, and remembers that it did. */
class Reader {
  readonly #view: DataView
  #at: number
  #overrun = false

  constructor(bytes: Uint8Array, at: number) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = at
  }

  /** Everything was read, and nothing more. */
  get atEnd(): boolean {
    return !this.#overrun && this.#at === this.#view.byteLength
  }

  u8(): number {
    return this.#has(1) ? this.#view.getUint8(this.#at++) : 0
  }

  u32(): number {
    if (!this.#has(4)) return 0
    this.#at += 4
    return this.#view.getUint32(this.#at - 4, true)
  }

  f64(): number {
    if (!this.#has(8)) return 0
    this.#at += 8
    return this.#view.getFloat64(this.#at - 8, true)
  }

  /** Undefined if they are cut short or hold what no sender writes. */
  sections(withDebt: boolean): Section[] | undefined {
    if (!this.#has(2)) return undefined
    const count = this.#view.getUint16(this.#at, true)
    this.#at += 2
    const sections: Section[] = []
    const entryBytes = withDebt ? pageEntryBytes : batchEntryBytes
    for (let i = 0; i < count; i++) {
      const table = this.u32()
      const length = this.u32()
      // Checked before anything is allocated by it.
      if (!this.#has(length * entryBytes)) return undefined
      const entries: Entry[] = []
      for (let j = 0; j < length; j++) {
        const entry = this.#entry(withDebt)
        if (!entry) return undefined
        entries.push(entry)
      }
      sections.push({ table, entries })
    }
    return sections
  }

  #entry(withDebt: boolean): Entry | undefined {
    const view = this.#view
    const at = this.#at
    this.#at += withDebt ? pageEntryBytes : batchEntryBytes
    const ownDebt = view.getFloat32(at + 20, true)
    const debt = withDebt ? view.getFloat32(at + 24, true) : Number.NaN
    if (!isAmount(ownDebt) || (withDebt && !isAmount(debt))) return undefined
    return {
      lo: view.getInt32(at, true),
      hi: view.getInt32(at + 4, true),
      generation: view.getUint32(at + 8, true),
      taken: view.getUint32(at + 12, true),
      returned: view.getUint32(at + 16, true),
      ownDebt,
      debt,
    }
  }

  #has(bytes: number): boolean {
    if (this.#at + bytes <= this.#view.byteLength) return true
    this.#overrun = true
    return false
  }
}

function isAmount(value: number): boolean {
  return Number.isFinite(value) && value >= 0
}

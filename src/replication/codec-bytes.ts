import {
  batchEntryBytes,
  leaseBytes,
  pageEntryBytes,
  type Entry,
  type Lease,
  type LeaseSection,
  savedBucketBytes,
  type SavedBucket,
  type SavedSection,
  type Section,
} from './messages.ts'

export class Writer {
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

  u16(value: number): void {
    this.#view.setUint16(this.#at, value, true)
    this.#at += 2
  }

  leases(sections: readonly LeaseSection[]): void {
    this.u16(sections.length)
    for (const { table, leases } of sections) {
      this.u32(table)
      this.u32(leases.length)
      for (const lease of leases) {
        this.u32(lease.lo)
        this.u32(lease.hi)
        this.f32(lease.part)
        this.f32(lease.tokens)
        this.f32(lease.need)
        this.f32(lease.memory)
      }
    }
  }

  saved(sections: readonly SavedSection[]): void {
    this.u16(sections.length)
    for (const { table, buckets } of sections) {
      this.u32(table)
      this.u32(buckets.length)
      for (const { lo, hi, tokens } of buckets) {
        this.u32(lo)
        this.u32(hi)
        this.f64(tokens)
      }
    }
  }

  sections(sections: readonly Section[], withDebt: boolean): void {
    this.u16(sections.length)
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
export class Reader {
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

  u16(): number {
    if (!this.#has(2)) return 0
    this.#at += 2
    return this.#view.getUint16(this.#at - 2, true)
  }

  f64(): number {
    if (!this.#has(8)) return 0
    this.#at += 8
    return this.#view.getFloat64(this.#at - 8, true)
  }

  /** Undefined if they are cut short or hold what no sender writes. */
  sections(withDebt: boolean): Section[] | undefined {
    const entryBytes = withDebt ? pageEntryBytes : batchEntryBytes
    return this.#sections(entryBytes, () => this.#entry(withDebt))?.map(({ table, read }) => ({
      table,
      entries: read,
    }))
  }

  leases(): LeaseSection[] | undefined {
    return this.#sections(leaseBytes, () => this.#lease())?.map(({ table, read }) => ({
      table,
      leases: read,
    }))
  }

  saved(): SavedSection[] | undefined {
    return this.#sections(savedBucketBytes, () => this.#saved())?.map(({ table, read }) => ({
      table,
      buckets: read,
    }))
  }

  #sections<T>(entryBytes: number, readOne: () => T | undefined): { table: number; read: T[] }[] | undefined {
    if (!this.#has(2)) return undefined
    const count = this.#view.getUint16(this.#at, true)
    this.#at += 2
    const sections: { table: number; read: T[] }[] = []
    for (let i = 0; i < count; i++) {
      const table = this.u32()
      const length = this.u32()
      // Checked before anything is allocated by it.
      if (!this.#has(length * entryBytes)) return undefined
      const read: T[] = []
      for (let j = 0; j < length; j++) {
        const one = readOne()
        if (one === undefined) return undefined
        read.push(one)
      }
      sections.push({ table, read })
    }
    return sections
  }

  #lease(): Lease | undefined {
    const view = this.#view
    const at = this.#at
    this.#at += leaseBytes
    const lease = {
      lo: view.getInt32(at, true),
      hi: view.getInt32(at + 4, true),
      part: view.getFloat32(at + 8, true),
      tokens: view.getFloat32(at + 12, true),
      need: view.getFloat32(at + 16, true),
      memory: view.getFloat32(at + 20, true),
    }
    const { part, tokens, need, memory } = lease
    return part <= 1 && [part, tokens, need, memory].every(isAmount) ? lease : undefined
  }

  #saved(): SavedBucket | undefined {
    const bucket = { lo: this.u32() | 0, hi: this.u32() | 0, tokens: this.f64() }
    return isAmount(bucket.tokens) ? bucket : undefined
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

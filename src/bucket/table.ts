import type { PageRange } from './bucket-set.ts'

/**
 * Rows of buckets, found by a 64-bit hash. All numbers of a row stand together in one typed array, so that a decision
 * touches two cache lines (a slot of the index, and the row) instead of one for each column; there is no object a key.
 *
 * A row, in words of 32 bits:
 *
 *   0-1  mark           float64  the refill clock's reading at which the bucket is full again: debt = mark − clock
 *   2-3  hash           int32 ×2
 *   4    own fraction   float32  the part of the debt, without what is parked, that is this replica's callers'
 *   5    flags          2 bits; above them when it was told last (10), and what is kept back (20): sixteenths of a token
 *   6    parked         float32  tokens of the debt that are the affair of regions out of contact
 *   7    others' rate   float32  tokens a second that other replicas took lately
 *   8    as of          uint16    the others' rate: milliseconds, modulo 2^16
        kept owed      uint16    the part of what is kept back that is in the debt, in 65,535ths
 *   9…   per replica    uint32 ×3: generation, tokens taken, tokens returned; this replica's own first
 *
 * Rows never move while they live (scans by row number are stable); freed rows go to a free list.
 */

export const markWord = 0
export const hashWord = 2
export const ownFractionWord = 4
export const flagsWord = 5
export const parkedWord = 6
export const othersRateWord = 7
export const asOfWord = 8
export const firstReplicaWord = 9
export const wordsPerReplica = 3

export const usedFlag = 1
export const dirtyFlag = 2

const rowsAtFirst = 4096
/** Rows grow by a lot at a time: the system gives memory only when it is written, and copies are few. */
const rowsGrowth = 16
/** The index is at most this full: beyond it, runs of occupied slots grow long. */
const loadMax = 0.75

/** Words a row takes, given how many replicas there are. */
export type RowWords = (replicas: number) => number

const pooledRowWords: RowWords = (replicas) => firstReplicaWord + wordsPerReplica * replicas

export class BucketTable {
  readonly rowsMax: number
  readonly #rowWords: RowWords
  #replicas: number
  /** Words a row, even, so that every mark is aligned to 8 bytes. */
  stride: number
  /** The same memory, seen as three types. */
  words: Int32Array
  floats: Float32Array
  doubles: Float64Array
  /** Open addressing, linear probing; 0 is empty, else row number + 1. */
  #index: Int32Array
  #mask: number
  /** Rows ever used: rows from here on are untouched memory. */
  #highWater = 0
  #free: number[] = []
  #size = 0

  /** Rows of another layout, by `rowWords`, keep their first eight bytes, the hash and the flags where they are here. */
  constructor(options: { rowsMax: number; replicas: number; rowWords?: RowWords }) {
    this.rowsMax = options.rowsMax
    this.#rowWords = options.rowWords ?? pooledRowWords
    this.#replicas = options.replicas
    this.stride = this.#strideFor(options.replicas)
    const buffer = new ArrayBuffer(Math.min(rowsAtFirst, this.rowsMax) * this.stride * 4)
    this.words = new Int32Array(buffer)
    this.floats = new Float32Array(buffer)
    this.doubles = new Float64Array(buffer)
    this.#index = new Int32Array(rowsAtFirst * 2)
    this.#mask = this.#index.length - 1
  }

  get size(): number {
    return this.#size
  }

  get rowsEverUsed(): number {
    return this.#highWater
  }

  get replicas(): number {
    return this.#replicas
  }

  /** Memory in use: rows ever used, and the index. */
  get bytes(): number {
    return this.#highWater * this.stride * 4 + this.#index.byteLength
  }

  get isFull(): boolean {
    return this.#size >= this.rowsMax
  }

  /** The first word of the row with this hash, or -1. */
  find(lo: number, hi: number): number {
    const { words, stride } = this
    const index = this.#index
    const mask = this.#mask
    for (let slot = lo & mask; ; slot = (slot + 1) & mask) {
      const entry = index[slot]!
      if (entry === 0) return -1
      const row = (entry - 1) * stride
      if (words[row + hashWord] === lo && words[row + hashWord + 1] === hi) return row
    }
  }

  /** Adds a row of zeros for a hash that is not there; the caller has made room (`isFull` is false). */
  insert(lo: number, hi: number): number {
    if (this.#size + 1 > this.#index.length * loadMax) this.#rebuildIndex(this.#index.length * 2)
    const number = this.#free.pop() ?? this.#highWater++
    const row = number * this.stride
    if (row + this.stride > this.words.length) this.#growRows()
    this.words.fill(0, row, row + this.stride)
    this.words[row + hashWord] = lo
    this.words[row + hashWord + 1] = hi
    this.words[row + flagsWord] = usedFlag
    this.#size++
    this.#place(number + 1, lo)
    return row
  }

  /** Frees a row. Later entries of its run move up, so that no tombstones gather. */
  remove(row: number): void {
    const { words, stride } = this
    const index = this.#index
    const mask = this.#mask
    const entry = row / stride + 1
    let hole = words[row + hashWord]! & mask
    while (index[hole] !== entry) hole = (hole + 1) & mask
    for (let slot = (hole + 1) & mask; index[slot] !== 0; slot = (slot + 1) & mask) {
      const home = words[(index[slot]! - 1) * stride + hashWord]! & mask
      // The entry may fill the hole unless its home lies after the hole, in the order of the ring.
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue
      index[hole] = index[slot]!
      hole = slot
    }
    index[hole] = 0
    words[row + flagsWord] = 0
    this.#free.push(entry - 1)
    this.#size--
  }

  isUsed(row: number): boolean {
    return (this.words[row + flagsWord]! & usedFlag) !== 0
  }

  eachInUse(visit: (row: number) => void): void {
    for (let row = 0; row < this.#highWater * this.stride; row += this.stride) {
      if (this.isUsed(row)) visit(row)
    }
  }

  /** Visits rows in use for a page; `visit` says which are written to it. Answers the row number to go on at, or -1 at the end. */
  scan(range: PageRange, visit: (row: number) => boolean): number {
    const rows = this.#highWater
    const end = Math.min(rows, range.from + range.rowsMax)
    let number = range.from
    for (let written = 0; number < end && written < range.entriesMax; number++) {
      const row = number * this.stride
      if (this.isUsed(row) && visit(row)) written++
    }
    return number < rows ? number : -1
  }

  /** Makes room for more replicas in every row; what is there stays. */
  setReplicas(replicas: number): void {
    if (replicas <= this.#replicas) return
    const oldStride = this.stride
    const old = this.words
    this.#replicas = replicas
    this.stride = this.#strideFor(replicas)
    this.#allocate((old.length / oldStride) * this.stride)
    for (let number = 0; number < this.#highWater; number++) {
      const from = number * oldStride
      this.words.set(old.subarray(from, from + oldStride), number * this.stride)
    }
  }

  #growRows(): void {
    const old = this.words
    const rows = Math.min((old.length / this.stride) * rowsGrowth, this.rowsMax)
    this.#allocate(rows * this.stride)
    this.words.set(old)
  }

  #allocate(words: number): void {
    const buffer = new ArrayBuffer(words * 4)
    this.words = new Int32Array(buffer)
    this.floats = new Float32Array(buffer)
    this.doubles = new Float64Array(buffer)
  }

  #rebuildIndex(slots: number): void {
    this.#index = new Int32Array(slots)
    this.#mask = slots - 1
    for (let number = 0; number < this.#highWater; number++) {
      const row = number * this.stride
      if (this.isUsed(row)) this.#place(number + 1, this.words[row + hashWord]!)
    }
  }

  #place(entry: number, lo: number): void {
    const index = this.#index
    let slot = lo & this.#mask
    while (index[slot] !== 0) slot = (slot + 1) & this.#mask
    index[slot] = entry
  }

  #strideFor(replicas: number): number {
    const words = this.#rowWords(replicas)
    return words + (words & 1)
  }
}

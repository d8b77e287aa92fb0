import { BucketTable, flagsWord, usedFlag } from './table.ts'

/**
 * Rows of mode `strict`, in words of 32 bits:
 *
 *   0-1  level       float64  tokens that may be spent here, as of `at`
 *   2-3  hash        int32 ×2
 *   4    at          uint32   milliseconds, modulo 2^32, as all times here
 *   5    flags
 *   6    asked       float32  tokens asked for since `demand at`
 *   7    demand at   uint32
 *   8    need        float32  tokens a second asked for lately
 *   9    memory      float32  tokens a second asked for in the last half minute or so
 *   10…  per peer    part float32, expires uint32, sent uint32, seen uint32, need float32, memory float32
 *
 * `part` is the part of a share that is leased: above 0 of the peer's share to this replica, below 0 of this replica's to the
 * peer. `sent` is the time of the last claim sent to the peer, its lowest bit set while no grant has answered it; `seen` is that
 * of the last claim of the peer, on its own clock.
 */
export const askedWord = 6
export const demandAtWord = 7
export const needWord = 8
export const memoryWord = 9
const atWord = 4
const firstPeerWord = 10
const wordsPerPeer = 6

export const partWord = 0
export const expiresWord = 1
export const sentWord = 2
export const seenWord = 3
export const peerNeedWord = 4
export const peerMemoryWord = 5

/** The row is looked at each tick: its bucket is short, or has leases. */
export const activeFlag = 4

/** What a replica brings to a limit: tokens of a full bucket, and tokens a second. */
export interface BaseShare {
  readonly capacity: number
  readonly refillPerSec: number
}

export interface StrictRowsOptions {
  readonly bucketsMax: number
  /** How long a lease runs for the lender. The lessee's ends earlier, so that clocks may differ in pace. */
  readonly leaseMs: number
  /** When this replica may use its own share: an earlier life of it may have leased it out for a while. */
  readonly ownFromMs: number
}

const needMs = 300
const memoryMs = 30_000
const demandIntervalMs = 50
const evictionSample = 64

/** A bucket as `settle` leaves it. */
export interface Settled {
  /** Tokens that may be spent here now. */
  level: number
  /** The part of the own share that is neither leased out nor, after a start, still to be waited for. */
  own: number
  /** Tokens of a full bucket here: of the own share what is not leased out, and what is leased from others. */
  capacity: number
  refillPerSec: number
}

/** Milliseconds from `then` to `now`, both modulo 2^32, less than 2^31 apart. */
export function elapsedMs(now: number, then: number): number {
  return (now - then) | 0
}

/** The buckets of mode `strict` as numbers: levels, leases and demand, brought up to date by `settle`. */
export class StrictRows {
  readonly table: BucketTable
  readonly leaseMs: number
  #ownFrom = 0
  #cold = false
  /** By slot; this replica's own first. */
  #bases: readonly BaseShare[] = [{ capacity: 0, refillPerSec: 0 }]
  whole: BaseShare = { capacity: 0, refillPerSec: 0 }
  #evictAt = 0
  evictedFull = 0
  readonly settled: Settled = { level: 0, own: 0, capacity: 0, refillPerSec: 0 }

  constructor(options: StrictRowsOptions) {
    this.table = new BucketTable({
      rowsMax: options.bucketsMax,
      replicas: 1,
      rowWords: (replicas) => firstPeerWord + wordsPerPeer * (replicas - 1),
    })
    this.leaseMs = options.leaseMs
    if (Number.isFinite(options.ownFromMs)) this.startCold(options.ownFromMs)
  }

  /** The own share is waited for; buckets are empty until then. */
  startCold(ownFromMs: number): void {
    this.#cold = true
    this.#ownFrom = Math.ceil(ownFromMs) | 0
  }

  /** The time as rows keep it. */
  time(nowMs: number): number {
    return Math.floor(nowMs) | 0
  }

  setShares(whole: BaseShare, bases: readonly BaseShare[]): void {
    this.whole = whole
    this.#bases = bases
    this.table.setReplicas(bases.length)
  }

  base(slot: number): BaseShare {
    return this.#bases[slot]!
  }

  get slots(): number {
    return Math.min(this.#bases.length, this.table.replicas)
  }

  /** Whether this replica has to wait for leases that an earlier life of it may have given. */
  waits(now: number): boolean {
    return this.#cold && elapsedMs(now, this.#ownFrom) < 0
  }

  /** The first word of what a row knows of a peer. */
  peer(row: number, slot: number): number {
    return row + firstPeerWord + (slot - 1) * wordsPerPeer
  }

  /** Whether something is known of a peer, or leased to or from it; after `settle`. */
  isKnown(peer: number): boolean {
    return this.table.words[peer + expiresWord] !== 0
  }

  /** Until when what is known of a peer counts, and the lease runs. */
  setExpiry(peer: number, at: number): void {
    // 0 stands for nothing known.
    this.table.words[peer + expiresWord] = at === 0 ? 1 : at
  }

  /**
   * Refills a bucket up to now, and ends leases that have run out. A lease that ended since the last time counts for no refill at
   * the lessee, and for none at the lender: on the safe side either way.
   */
  settle(row: number, now: number): Settled {
    const { words, floats, doubles } = this.table
    const { settled } = this
    const base = this.#bases[0]!
    const passedMs = Math.max(0, elapsedMs(now, words[row + atWord]!))
    let own = 1
    let lapsed = 0
    let heldCapacity = 0
    let heldPerSec = 0
    for (let slot = 1; slot < this.slots; slot++) {
      const peer = this.peer(row, slot)
      if (words[peer + expiresWord] === 0) continue
      const part = floats[peer + partWord]!
      const expired = elapsedMs(now, words[peer + expiresWord]!) >= 0
      if (expired) this.#forget(peer)
      if (part < 0) {
        own += part
        if (expired) lapsed -= part
      } else if (!expired) {
        heldCapacity += part * this.#bases[slot]!.capacity
        heldPerSec += part * this.#bases[slot]!.refillPerSec
      }
    }
    const ownMs = this.#cold ? Math.min(passedMs, Math.max(0, elapsedMs(now, this.#ownFrom))) : passedMs
    const refill = (Math.max(0, own) * base.refillPerSec * ownMs + heldPerSec * passedMs) / 1000
    settled.own = this.waits(now) ? 0 : Math.min(1, Math.max(0, own + lapsed))
    settled.capacity = settled.own * base.capacity + heldCapacity
    settled.refillPerSec = settled.own * base.refillPerSec + heldPerSec
    settled.level = Math.min(settled.capacity, doubles[row >> 1]! + refill)
    doubles[row >> 1] = settled.level
    words[row + atWord] = now
    return settled
  }

  #forget(peer: number): void {
    const { words, floats } = this.table
    words[peer + expiresWord] = words[peer + seenWord] = 0
    floats[peer + partWord] = floats[peer + peerNeedWord] = floats[peer + peerMemoryWord] = 0
  }

  setLevel(row: number, level: number): void {
    this.table.doubles[row >> 1] = level
  }

  /** The row of a hash, made if it isn't there; -1 if there is no room for it. */
  rowFor(key: { lo: number; hi: number }, now: number): number {
    const found = this.table.find(key.lo, key.hi)
    if (found >= 0) return found
    if (this.table.isFull && !this.#evict(now)) return -1
    const row = this.table.insert(key.lo, key.hi)
    // Unknown buckets are full, but after a start they are as if empty when the own share came back.
    this.table.words[row + atWord] = this.#cold ? this.#ownFrom : now
    if (!this.#cold) this.table.doubles[row >> 1] = this.#bases[0]!.capacity
    this.table.words[row + demandAtWord] = now
    return row
  }

  /** What can be spent here of a bucket that nothing is known of. */
  levelOfUnknown(now: number): number {
    const base = this.#bases[0]!
    if (!this.#cold) return base.capacity
    return Math.min(base.capacity, (base.refillPerSec * Math.max(0, elapsedMs(now, this.#ownFrom))) / 1000)
  }

  /** Counts what is asked for, whether it is given or not. */
  ask(row: number, tokens: number, now: number): void {
    this.table.floats[row + askedWord]! += tokens
    this.updateDemand(row, now)
  }

  /** Renews need and memory, exponential means of what was asked for, at most each interval. */
  updateDemand(row: number, now: number): void {
    const { words, floats } = this.table
    const passedMs = elapsedMs(now, words[row + demandAtWord]!)
    if (passedMs < demandIntervalMs) return
    const perSec = (floats[row + askedWord]! / passedMs) * 1000
    floats[row + needWord]! += Math.min(1, passedMs / needMs) * (perSec - floats[row + needWord]!)
    floats[row + memoryWord]! += Math.min(1, passedMs / memoryMs) * (perSec - floats[row + memoryWord]!)
    floats[row + askedWord] = 0
    words[row + demandAtWord] = now
  }

  /** Whether a bucket may be forgotten: full, without leases, and not looked at. It starts anew as it is. */
  isForgettable(row: number, now: number): boolean {
    if ((this.table.words[row + flagsWord]! & activeFlag) !== 0) return false
    const { level, own } = this.settle(row, now)
    if (own < 1 || level < this.#bases[0]!.capacity) return false
    for (let slot = 1; slot < this.slots; slot++) {
      if (this.isKnown(this.peer(row, slot))) return false
    }
    return true
  }

  /** Makes room by a bucket that may be forgotten, of the next rows; false if there is none. */
  #evict(now: number): boolean {
    const { table } = this
    for (let seen = 0; seen < Math.min(evictionSample, table.rowsEverUsed); seen++) {
      if (this.#evictAt >= table.rowsEverUsed) this.#evictAt = 0
      const row = this.#evictAt++ * table.stride
      if ((table.words[row + flagsWord]! & usedFlag) === 0 || !this.isForgettable(row, now)) continue
      table.remove(row)
      this.evictedFull++
      return true
    }
    return false
  }
}

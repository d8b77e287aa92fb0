import type { PageRange, SavedBucket } from './bucket-set.ts'
import { Buckets, rowHash, type BucketsOptions } from './buckets.ts'
import { charged, joined, type CounterEntry, type MergeRule, type News } from './merge-rules.ts'
import { RowQueue } from './row-queue.ts'
import type { BaseShare } from './strict-rows.ts'
import {
  asOfWord,
  dirtyFlag,
  firstReplicaWord,
  flagsWord,
  othersRateWord,
  ownFractionWord,
  parkedWord,
  usedFlag,
  wordsPerReplica,
} from './table.ts'

export interface PooledOptions extends BucketsOptions {
  /**
   * All replicas together keep back news of a bucket of which at most this part is owed: it is far from its limit, and most such
   * news is never needed. 0: all news is told at once.
   */
  readonly quietPart?: number
}

const ownSlot = 0
/** Above the flags of a row stand the tokens kept back, in parts of one. */
const keptShift = 8
const keptUnits = 16
const keptMax = 2 ** 24 - 1
const flagsMask = 0xff
/** The part of the idle time after which a full bucket's next take starts a new generation. */
const settledPart = 1 / 3

/**
 * Mode `pooled`: buckets that all replicas share, each deciding in its own memory.
 *
 * Per bucket and replica there are two G-Counters (taken, returned) which only that replica raises; merge is the maximum, in
 * the order (incarnation, generation, count). The debt is derived: it grows by what a merge finds new, so each token is charged
 * once at every replica, however often or in whatever order news of it comes (I1, I2). Incarnations are the replication's
 * matter: `forgetReplica` when a higher one appears.
 *
 * A generation is the number of the batch interval in which the bucket's busy period began. A bucket that has been full for
 * `idleMs` may be forgotten by anyone at any time. Whoever takes from it then has to start a new generation, though it may see
 * the end of the busy period later than who forgot it, by up to what news takes, and though its own news takes as long again.
 * So it starts one after a third of `idleMs`, whether it forgot the bucket itself or not; that is why no tombstone is needed (I5).
 * That third has to be longer than news takes.
 *
 * Counts are modulo 2^32 and compared as in RFC 1982: news that a receiver missed may be up to 2^31 tokens a bucket.
 */
export class PooledBuckets extends Buckets {
  /** The same number for the same limit in every replica. */
  readonly id: number
  /** The batch interval under way. */
  #generation = 1
  /** Row numbers with news, oldest first; an evicted row's number may stand here in vain. */
  readonly #changed = new RowQueue()
  readonly #quietPart: number
  #delayMs = 0
  #batchIntervalMs = 0
  /** What regions refill that are out of contact, and when the last of them left. */
  #awayPerSec = 0
  #awayFromMs = 0

  constructor(id: number, options: PooledOptions) {
    super(options, 1)
    this.id = id
    this.#quietPart = options.quietPart ?? 0
  }

  /** Buckets with news to send, at most. */
  get changedCount(): number {
    return this.#changed.length
  }

  setReplicas(replicas: number): void {
    this.table.setReplicas(replicas)
  }

  /** How long news is under way on average, and how often others send it; no interval for no guard. */
  setNewsTimes(times: { readonly delayMs: number; readonly batchIntervalMs: number }): void {
    this.#delayMs = times.delayMs
    this.#batchIntervalMs = times.batchIntervalMs
  }

  /**
   * Regions leave contact, of capacities that sum up to this. Their part of every debt, in proportion, is theirs to refill
   * from now on, and this replica's region can spend its own share of what was left; so what all sides may spend is what it was.
   * The rest is this side's, whoever took it, unless it was `restored`: then others may know of it.
   * To be called before the capacity changes.
   */
  park(leaving: BaseShare, nowMs: number, { restored }: { restored: boolean }): void {
    const part = leaving.capacity / this.capacity
    if (!(part > 0)) return
    this.#awayPerSec += leaving.refillPerSec
    this.#awayFromMs = nowMs
    const clock = this.clock.read(nowMs)
    this.#eachInUse((row) => {
      const debt = this.debtOf(row, clock)
      this.table.floats[row + parkedWord]! += debt * part
      this.table.doubles[row >> 1] = clock + debt * (1 - part)
      if (!restored) this.table.floats[row + ownFractionWord] = 1
    })
  }

  /**
   * A region is back in contact: what was parked for it comes back, but for what its own refill has paid meanwhile. `absent` is the
   * capacity of all regions that were out of contact, this one with them.
   */
  unpark(back: BaseShare, awayMs: number, { absent, nowMs }: { absent: number; nowMs: number }): void {
    const clock = this.clock.read(nowMs)
    const paid = (back.refillPerSec * awayMs) / 1000
    this.#awayPerSec = Math.max(0, this.#awayPerSec - back.refillPerSec)
    const { floats, doubles } = this.table
    this.#eachInUse((row) => {
      const parked = floats[row + parkedWord]!
      if (parked === 0) return
      const part = parked * Math.min(1, back.capacity / absent)
      floats[row + parkedWord] = parked - part
      const debt = this.debtOf(row, clock)
      const after = debt + Math.max(0, part - paid)
      doubles[row >> 1] = clock + after
      const own = floats[row + ownFractionWord]! * debt
      floats[row + ownFractionWord] = after > 0 ? (own + after - debt) / after : 0
    })
  }

  /**
   * The batch interval that begins, from 1 on: never less than before under this incarnation, in these buckets or any that they
   * replace, or else the others would take their news for old.
   */
  beginInterval(interval: number): void {
    this.#generation = interval
  }

  /** Tokens taken less returned by each replica slot, each since its generation began; less than 0 if it gave back others'. Empty for a full bucket. */
  takenBySlot(key: { lo: number; hi: number }, nowMs: number): number[] {
    const row = this.table.find(key.lo, key.hi)
    if (row < 0 || this.debtOf(row, this.clock.read(nowMs)) === 0) return []
    const { words } = this.table
    return Array.from({ length: this.table.replicas }, (_, slot) => {
      const at = row + firstReplicaWord + slot * wordsPerReplica
      return (words[at + 1]! >>> 0) - (words[at + 2]! >>> 0)
    })
  }

  /**
   * Writes up to `entriesMax` buckets that changed since they were last written, oldest change first.
   */
  drainChanged(entriesMax: number, nowMs: number, write: (entry: CounterEntry) => void): number {
    const clock = this.clock.read(nowMs)
    const { words, stride } = this.table
    let written = 0
    while (written < entriesMax) {
      const number = this.#changed.shift()
      if (number === undefined) break
      const row = number * stride
      if (!this.isDirty(row)) continue
      words[row + flagsWord] = usedFlag
      write(this.#entry(row, clock, nowMs))
      written++
    }
    return written
  }

  /**
   * Writes live buckets (those that owe, or did until just now) from row number `from` on, up to `entriesMax` of them or
   * `rowsMax` rows looked at; answers where to go on, or -1 at the end. Others may not have heard why a bucket is full: that
   * it was reset.
   */
  scanLive(range: PageRange, nowMs: number, write: (entry: CounterEntry) => void): number {
    const clock = this.clock.read(nowMs)
    return this.table.scan(range, (row) => {
      if (this.#isSettled(row, clock)) return false
      if (this.#hasKept(row)) this.#tell(row)
      write(this.#entry(row, clock, nowMs))
      return true
    })
  }

  /**
   * Writes what is owed of buckets that are not far from their limit: the others' debt is no more than what is kept back anyway.
   * Range and answer as for `scanLive`.
   */
  save(range: PageRange, nowMs: number, write: (bucket: SavedBucket) => void): number {
    const clock = this.clock.read(nowMs)
    return this.table.scan(range, (row) => {
      const tokens = this.debtOf(row, clock) + this.#parkedOf(row, nowMs)
      if (tokens <= this.capacity * this.#quietPart) return false
      write({ ...rowHash(this.table, row), tokens })
      return true
    })
  }

  /** What an earlier life of this replica, or one of its region, knew to be owed so long ago is owed at least. */
  restore(bucket: SavedBucket, agoMs: number, nowMs: number): void {
    const clock = this.clock.read(nowMs)
    const owed = Math.min(this.capacity, bucket.tokens) - (this.refillPerSec * agoMs) / 1000
    let row = this.table.find(bucket.lo, bucket.hi)
    if (owed <= (row < 0 ? 0 : this.debtOf(row, clock))) return
    if (row < 0) row = this.insertRow(bucket.lo, bucket.hi, clock)
    this.table.doubles[row >> 1] = clock + owed
  }

  /** Takes in what the replica in `slot` (1 or above) tells of a bucket. */
  merge(slot: number, entry: CounterEntry, rule: MergeRule, nowMs: number): void {
    const clock = this.clock.read(nowMs)
    let row = this.table.find(entry.lo, entry.hi)
    const known = row >= 0
    if (!known) row = this.insertRow(entry.lo, entry.hi, clock)
    const debt = this.debtOf(row, clock)
    if (known && this.#isSettled(row, clock)) this.#endGeneration(row)
    const news = this.#mergeCounters(row, slot, entry)
    if (rule === 'exact') this.#noteRate(row, news.taken, nowMs)
    const parked = this.table.floats[row + parkedWord]!
    const own = this.table.floats[row + ownFractionWord]! * debt
    const after =
      rule === 'joining'
        ? Math.max(0, joined({ debt: debt + parked, own, news, entry }) - parked)
        : charged({ debt, news, entry, rule, idleTokens: this.idleTokens() })
    if (after === debt) return
    if (rule !== 'joining') this.noteOthers(debt, after)
    this.table.floats[row + ownFractionWord] = after > own ? own / after : 1
    this.table.doubles[row >> 1] = clock + after
    if (this.#hasKept(row) && after > this.capacity * this.#quietPart) this.#tell(row)
  }

  /** Drops what is known of a replica's counters: it starts a new incarnation, or its slot goes to another. */
  forgetReplica(slot: number): void {
    const { words, stride } = this.table
    const offset = firstReplicaWord + slot * wordsPerReplica
    for (let number = 0; number < this.table.rowsEverUsed; number++) {
      const at = number * stride + offset
      words.fill(0, at, at + wordsPerReplica)
    }
  }

  /**
   * What others have probably taken unheard: their rate, for as long as news waits for a batch and is under way. It makes a burst
   * in all regions at once pass the limit by less.
   */
  protected override guardOf(row: number, nowMs: number): number {
    const rate = this.table.floats[row + othersRateWord]!
    if (rate === 0) return 0
    const intervalMs = this.#batchIntervalMs
    // Who takes still is heard once an interval; who isn't heard for two takes no more.
    const believed = Math.min(1, 2 - this.#sinceRateMs(row, nowMs) / intervalMs)
    return believed > 0 ? (rate * believed * (this.#delayMs + intervalMs / 2)) / 1000 : 0
  }

  protected override charge(row: number, debt: number, tokens: number, nowMs: number): number {
    const { words, floats } = this.table
    const clock = this.clock.read(nowMs)
    const own = row + firstReplicaWord + ownSlot * wordsPerReplica
    if (debt === 0 && this.#isSettled(row, clock)) this.#endGeneration(row)
    if (words[own] === 0) words[own] = this.#generation
    words[own + 1]! += tokens
    floats[row + ownFractionWord] = (floats[row + ownFractionWord]! * debt + tokens) / (debt + tokens)
    return this.#noteNews(row, { tokens, after: debt + tokens, nowMs })
  }

  protected override refund(row: number, debt: number, tokens: number): void {
    const { words, floats } = this.table
    this.#tell(row)
    const own = row + firstReplicaWord + ownSlot * wordsPerReplica
    if (words[own] === 0) words[own] = this.#generation
    words[own + 2]! += tokens
    const after = debt - tokens
    const ownDebt = floats[row + ownFractionWord]! * debt - tokens
    floats[row + ownFractionWord] = after > 0 && ownDebt > 0 ? ownDebt / after : 0
  }

  /** Full for so long that news of its busy period has arrived everywhere, and that others may soon forget it. */
  #isSettled(row: number, clock: number): boolean {
    return clock - this.table.doubles[row >> 1]! >= this.idleTokens() * settledPart
  }

  /** The next take or give starts a new generation. */
  #endGeneration(row: number): void {
    const own = row + firstReplicaWord + ownSlot * wordsPerReplica
    this.table.words.fill(0, own, own + wordsPerReplica)
    this.table.words[row + flagsWord]! &= flagsMask
    this.table.floats[row + parkedWord] = 0
  }

  /** What others took in the last batch interval, in which each of them sent one batch, as tokens a second. */
  #noteRate(row: number, taken: number, nowMs: number): void {
    this.tokensHeard += taken
    const { words, floats } = this.table
    const intervalMs = this.#batchIntervalMs
    if (!(intervalMs > 0)) return
    const left = Math.max(0, 1 - this.#sinceRateMs(row, nowMs) / intervalMs)
    floats[row + othersRateWord] = floats[row + othersRateWord]! * left + (taken * 1000) / intervalMs
    words[row + asOfWord] = (words[row + asOfWord]! & ~0xffff) | (Math.floor(nowMs) & 0xffff)
  }

  #sinceRateMs(row: number, nowMs: number): number {
    return (Math.floor(nowMs) - this.table.words[row + asOfWord]!) & 0xffff
  }

  #eachInUse(visit: (row: number) => void): void {
    const { stride } = this.table
    for (let number = 0; number < this.table.rowsEverUsed; number++) {
      if (this.table.isUsed(number * stride)) visit(number * stride)
    }
  }

  /**
   * Tokens were taken here: they are told with the next batch if the bucket is no longer far from its limit, or if this replica
   * has kept back its part. What is kept back is refilled by this replica's part of the refill only, since others may do the same:
   * so all replicas together keep back at most the quiet part, however long; and once the bucket turns busy elsewhere, what they
   * let that refill pay for until they hear of it. Answers what is owed then.
   */
  #noteNews(row: number, { tokens, after, nowMs }: { tokens: number; after: number; nowMs: number }): number {
    if (this.isDirty(row)) return after
    const { words, replicas } = this.table
    const quiet = this.capacity * this.#quietPart
    const before = words[row + flagsWord]! >>> keptShift
    if (before === 0 && (after > quiet || tokens > quiet / replicas)) {
      this.#tell(row)
      return after
    }
    const now = Math.floor(nowMs) & 0xffff
    const asOf = words[row + asOfWord]!
    const refilled = (((now - (asOf >>> 16)) & 0xffff) * this.refillPerSec) / 1000 / replicas
    const kept = Math.max(0, before / keptUnits - refilled) + tokens
    const units = Math.min(keptMax, Math.ceil(kept * keptUnits))
    words[row + flagsWord] = (words[row + flagsWord]! & flagsMask) | (units << keptShift)
    words[row + asOfWord] = (asOf & 0xffff) | (now << 16)
    if (after <= quiet && kept <= quiet / replicas) return after
    this.#tell(row)
    return Math.max(after, kept)
  }

  #hasKept(row: number): boolean {
    return this.table.words[row + flagsWord]! >>> keptShift > 0
  }

  /**
   * The bucket goes with the next batch. News that was kept back begins a new generation, of what is not yet refilled of it; what
   * is concerns nobody.
   */
  #tell(row: number): void {
    const { words, stride } = this.table
    const kept = (words[row + flagsWord]! >>> keptShift) / keptUnits
    const own = row + firstReplicaWord + ownSlot * wordsPerReplica
    const isUntold = kept > 0 && words[own] !== this.#generation
    if (isUntold) {
      words[own] = this.#generation
      words[own + 1] = Math.ceil(kept)
      words[own + 2] = 0
    }
    const isQueued = this.isDirty(row)
    words[row + flagsWord] = usedFlag | dirtyFlag
    if (isQueued) return
    // Evicted rows leave their numbers behind: without this a flood of new keys would make the list grow for ever.
    if (this.#changed.length >= 2 * this.table.rowsMax) this.#changed.removeRepeated()
    this.#changed.push(row / stride)
  }

  #entry(row: number, clock: number, nowMs: number): CounterEntry {
    const { words, floats } = this.table
    const own = row + firstReplicaWord + ownSlot * wordsPerReplica
    const [debt, parked] = [this.debtOf(row, clock), this.#parkedOf(row, nowMs)]
    return {
      ...rowHash(this.table, row),
      generation: words[own]! >>> 0,
      taken: words[own + 1]! >>> 0,
      returned: words[own + 2]! >>> 0,
      // What is parked may be the own callers', and unheard.
      ownDebt: floats[row + ownFractionWord]! * debt + parked,
      debt: debt + parked,
    }
  }

  /** What is parked for regions out of contact, but for what they have refilled themselves. */
  #parkedOf(row: number, nowMs: number): number {
    const paid = (this.#awayPerSec * (nowMs - this.#awayFromMs)) / 1000
    return Math.max(0, this.table.floats[row + parkedWord]! - paid)
  }

  /** Raises the counters known of `slot` to those told, and answers by how much. */
  #mergeCounters(row: number, slot: number, entry: CounterEntry): News {
    const { words } = this.table
    const at = row + firstReplicaWord + slot * wordsPerReplica
    const generation = words[at]! >>> 0
    if (entry.generation < generation) return { taken: 0, returned: 0, sameGeneration: true }
    const sameGeneration = entry.generation === generation
    const taken = sameGeneration ? (entry.taken - words[at + 1]!) | 0 : entry.taken
    const returned = sameGeneration ? (entry.returned - words[at + 2]!) | 0 : entry.returned
    words[at] = entry.generation
    if (taken > 0) words[at + 1] = entry.taken
    if (returned > 0) words[at + 2] = entry.returned
    if (!sameGeneration) {
      words[at + 1] = entry.taken
      words[at + 2] = entry.returned
    }
    return { taken: Math.max(0, taken), returned: Math.max(0, returned), sameGeneration }
  }
}

import type { PageRange, SavedBucket } from './bucket-set.ts'
import { Buckets, rowHash, type BucketsOptions } from './buckets.ts'
import { roundingTokens } from './decision.ts'
import { KeptNews, keptTokensMax, type Kept } from './kept-news.ts'
import { charged, joined, mergeCounters, type CounterEntry, type MergeRule } from './merge-rules.ts'
import { RowQueue } from './row-queue.ts'
import type { BaseShare } from './strict-rows.ts'
import {
  dirtyFlag,
  firstReplicaWord,
  flagsWord,
  ownFractionWord,
  parkedWord,
  usedFlag,
  wordsPerReplica,
} from './table.ts'
import { UnheardTakes } from './unheard-takes.ts'

export interface PooledOptions extends BucketsOptions {
  /**
   * All replicas together keep back news of at most this part of a limit, of buckets that are far from it: most such news is never
   * needed. 0: all news is told at once.
   */
  readonly quietPart?: number
}

const ownSlot = 0
/** A bucket is far from its limit while at most this part of it is owed. */
const busyPart = 1 / 2
const nothingKept: Kept = { tokens: 0, owed: 0 }
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
 * That third has to be longer than news takes. Where news is kept back others may forget the bucket sooner: what is told after a
 * while in which they knew of nothing that is owed starts one, too, unless what was told last may be under way still: it would be
 * taken for old.
 *
 * Counts are modulo 2^32 and compared as in RFC 1982: news that a receiver missed may be up to 2^31 tokens a bucket.
 */
export class PooledBuckets extends Buckets {
  /** The same number for the same limit in every replica. */
  readonly id: number
  /** The batch interval under way. */
  #generation = 1
  /** Half of a contact time-out, and how many passed until the last batch. */
  readonly #periodMs: number
  #period = 0
  /** Row numbers with news, oldest first; an evicted row's number may stand here in vain. */
  readonly #changed = new RowQueue()
  readonly #kept: KeptNews
  readonly #unheard: UnheardTakes
  readonly #quietPart: number
  /** What regions refill that are out of contact, and when the last of them left. */
  #awayPerSec = 0
  #awayFromMs = 0

  constructor(id: number, options: PooledOptions) {
    super(options, 1)
    this.id = id
    this.#periodMs = options.idleMs / 6
    this.#kept = new KeptNews(this.table)
    this.#unheard = new UnheardTakes(this.table)
    this.#quietPart = options.quietPart ?? 0
  }

  /** Buckets with news to send, at most. */
  get changedCount(): number {
    return this.#changed.length
  }

  setReplicas(replicas: number): void {
    this.table.setReplicas(replicas)
  }

  /** See {@link UnheardTakes}. */
  setNewsTimes(times: { readonly delayMs: number; readonly batchIntervalMs: number }): void {
    this.#unheard.setNewsTimes(times)
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
    this.table.eachInUse((row) => {
      const debt = this.debtOf(row, clock)
      // What was kept back stays whole: nobody on the other side knows of it.
      const parked = (debt - this.#kept.owed(row, clock)) * part
      this.table.floats[row + parkedWord]! += parked
      this.#setDebt(row, debt - parked, clock)
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
    const { floats } = this.table
    this.table.eachInUse((row) => {
      const parked = floats[row + parkedWord]!
      if (parked === 0) return
      const part = parked * Math.min(1, back.capacity / absent)
      floats[row + parkedWord] = parked - part
      const debt = this.debtOf(row, clock)
      const after = debt + Math.max(0, part - paid)
      this.#setDebt(row, after, clock)
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
    const kept = Math.ceil(this.#kept.tokens(row, this.clock.read(nowMs)))
    return Array.from({ length: this.table.replicas }, (_, slot) => {
      const at = row + firstReplicaWord + slot * wordsPerReplica
      return (words[at + 1]! >>> 0) - (words[at + 2]! >>> 0) + (slot === ownSlot ? kept : 0)
    })
  }

  /**
   * Writes up to `entriesMax` buckets that changed since they were last written, oldest change first.
   */
  drainChanged(entriesMax: number, nowMs: number, write: (entry: CounterEntry) => void): number {
    const clock = this.clock.read(nowMs)
    const { words, stride } = this.table
    this.#period = Math.floor(nowMs / this.#periodMs)
    let written = 0
    while (written < entriesMax) {
      const number = this.#changed.shift()
      if (number === undefined) break
      const row = number * stride
      if (!this.isDirty(row)) continue
      words[row + flagsWord] = usedFlag
      this.#kept.told(row, this.#period)
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
      this.#tell(row, clock)
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
      if (tokens <= this.#quietTokens) return false
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
    this.#setDebt(row, owed, clock)
  }

  /** Takes in what the replica in `slot` (1 or above) tells of a bucket. */
  merge(slot: number, entry: CounterEntry, rule: MergeRule, nowMs: number): void {
    const clock = this.clock.read(nowMs)
    let row = this.table.find(entry.lo, entry.hi)
    const known = row >= 0
    if (!known) row = this.insertRow(entry.lo, entry.hi, clock)
    const debt = this.debtOf(row, clock)
    if (known && this.#isSettled(row, clock)) this.#endBusyPeriod(row)
    const news = mergeCounters(this.table.words, row + firstReplicaWord + slot * wordsPerReplica, entry)
    if (rule === 'exact') {
      this.tokensHeard += news.taken
      this.#unheard.heard(row, news.taken, nowMs)
    }
    const parked = this.table.floats[row + parkedWord]!
    const own = this.#ownOf(row, clock)
    const after =
      rule === 'joining'
        ? Math.max(0, joined({ debt: debt + parked, own, news, entry }) - parked)
        : charged({ debt, news, entry, rule, idleTokens: this.idleTokens() })
    if (after === debt) return
    if (rule !== 'joining') this.noteOthers(debt, after)
    this.table.floats[row + ownFractionWord] = after > own ? own / after : 1
    this.#setDebt(row, after, clock)
    if (after > this.capacity * busyPart) this.#tell(row, clock)
  }

  override give(key: { lo: number; hi: number }, tokens: number, nowMs: number): number {
    const clock = this.clock.read(nowMs)
    const row = this.table.find(key.lo, key.hi)
    // What is given back may be others' tokens, so all have to know of the same.
    if (row >= 0 && this.debtOf(row, clock) > 0) this.#tell(row, clock)
    return super.give(key, tokens, nowMs)
  }

  override reset(key: { lo: number; hi: number }, nowMs: number): void {
    const row = this.table.find(key.lo, key.hi)
    if (row >= 0) this.#tell(row, this.clock.read(nowMs))
    super.reset(key, nowMs)
  }

  /** Drops what is known of a replica's counters: it starts a new incarnation, or its slot goes to another. */
  forgetReplica(slot: number): void {
    const offset = firstReplicaWord + slot * wordsPerReplica
    this.table.eachInUse((row) => this.table.words.fill(0, row + offset, row + offset + wordsPerReplica))
  }

  /** What others have probably taken unheard: it makes a burst in all regions at once pass the limit by less. */
  protected override guardOf(row: number, nowMs: number): number {
    return this.#unheard.expected(row, nowMs)
  }

  protected override charge(row: number, debt: number, tokens: number, nowMs: number): number {
    const { floats, doubles } = this.table
    const clock = this.clock.read(nowMs)
    if (debt === 0 && this.#isSettled(row, clock)) this.#endBusyPeriod(row)
    const kept = this.#keptWith(row, { tokens, after: debt + tokens, clock })
    const before = kept ? debt : this.#tell(row, clock)
    const after = before + tokens
    floats[row + ownFractionWord] = (floats[row + ownFractionWord]! * before + tokens) / after
    doubles[row >> 1] = clock + after
    if (kept) this.#kept.keep(row, kept)
    else this.#raiseCounters(row, { taken: tokens, returned: 0 })
    return this.debtOf(row, clock)
  }

  protected override refund(row: number, debt: number, tokens: number): void {
    const { floats } = this.table
    this.#raiseCounters(row, { taken: 0, returned: tokens })
    const after = debt - tokens
    const ownDebt = floats[row + ownFractionWord]! * debt - tokens
    floats[row + ownFractionWord] = after > 0 && ownDebt > 0 ? ownDebt / after : 0
  }

  /** The part of the debt that this replica's callers took: it drains in proportion, but for what is kept back, which drains last. */
  #ownOf(row: number, clock: number): number {
    const fraction = this.table.floats[row + ownFractionWord]!
    return Math.max(fraction * this.debtOf(row, clock), this.#kept.owed(row, clock))
  }

  /** Full for so long that news of its busy period has arrived everywhere, and that others may soon forget it. */
  #isSettled(row: number, clock: number): boolean {
    return clock - this.table.doubles[row >> 1]! >= this.idleTokens() * settledPart
  }

  protected override untold(row: number, clock: number): number {
    return this.#kept.tokens(row, clock)
  }

  get #quietTokens(): number {
    return this.capacity * this.#quietPart
  }

  #endBusyPeriod(row: number): void {
    this.#endGeneration(row)
    this.table.floats[row + parkedWord] = 0
  }

  /** What is told next starts a new generation. */
  #endGeneration(row: number): void {
    const own = row + firstReplicaWord + ownSlot * wordsPerReplica
    this.table.words.fill(0, own, own + wordsPerReplica)
  }

  /** Sets what is owed, by what all know of; what is kept back stays. */
  #setDebt(row: number, debt: number, clock: number): void {
    const kept = this.#readKept(row, clock)
    this.table.doubles[row >> 1] = clock + debt
    if (kept) this.#kept.keep(row, { tokens: kept.tokens, owed: Math.min(debt, kept.owed) })
  }

  /** What is kept back, if anything was. Others forget a bucket when they know of nothing that is owed, whatever is kept back here. */
  #readKept(row: number, clock: number): Kept | undefined {
    if (!this.#kept.has(row)) return undefined
    const [tokens, owed] = [this.#kept.tokens(row, clock), this.#kept.owed(row, clock)]
    const isKnown = this.debtOf(row, clock) - owed > roundingTokens
    if (!isKnown && !this.#kept.isToldLately(row, this.#period)) this.#endGeneration(row)
    return { tokens, owed }
  }

  /**
   * What is kept back if these tokens are, too. Or nothing, where they are told with the next batch: the bucket is no longer far
   * from its limit, or this replica has kept back its part of the quiet part.
   */
  #keptWith(
    row: number,
    { tokens, after, clock }: { tokens: number; after: number; clock: number },
  ): Kept | undefined {
    if (this.isDirty(row) || after > this.capacity * busyPart) return undefined
    const kept = this.#readKept(row, clock) ?? nothingKept
    const most = Math.min(this.#quietTokens / this.table.replicas, keptTokensMax)
    if (kept.tokens + tokens > most) return undefined
    return { tokens: kept.tokens + tokens, owed: kept.owed + tokens }
  }

  /** What is kept back, and not yet refilled, goes with the next batch: from now on all know of the same. Answers what is owed then. */
  #tell(row: number, clock: number): number {
    const debt = this.debtOf(row, clock)
    const kept = this.#readKept(row, clock)
    if (!kept) return debt
    const { floats, doubles } = this.table
    const taken = Math.ceil(kept.tokens)
    const more = taken - kept.owed
    const after = debt + more
    floats[row + ownFractionWord] = after > 0 ? Math.min(1, (this.#ownOf(row, clock) + more) / after) : 0
    doubles[row >> 1] = clock + after
    this.#raiseCounters(row, { taken, returned: 0 })
    return after
  }

  /** This replica's counters, which go with the next batch; nothing is kept back any more. */
  #raiseCounters(row: number, { taken, returned }: { taken: number; returned: number }): void {
    const { words, stride } = this.table
    const own = row + firstReplicaWord + ownSlot * wordsPerReplica
    if (words[own] === 0) words[own] = this.#generation
    words[own + 1]! += taken
    words[own + 2]! += returned
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
}

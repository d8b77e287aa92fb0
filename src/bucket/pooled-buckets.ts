import { Buckets, rowHash, type BucketsOptions } from './buckets.ts'
import { RowQueue } from './row-queue.ts'
import {
  dirtyFlag,
  firstReplicaWord,
  flagsWord,
  othersRateWord,
  ownFractionWord,
  parkedWord,
  rateAtWord,
  usedFlag,
  wordsPerReplica,
} from './table.ts'

/** What one replica tells the others of one bucket: its own counters, never those of a third. */
export interface CounterEntry {
  /** Hash of the key, signed 32-bit halves. */
  lo: number
  hi: number
  /** The busy period that the counters belong to; a later one starts both at 0. */
  generation: number
  /** Tokens that the sender's callers took, and gave back, in that generation; modulo 2^32. */
  taken: number
  returned: number
  /** The part of the debt, as the sender sees it, that its own callers took; tokens. */
  ownDebt: number
  /** The whole debt as the sender sees it; NaN where it isn't told. */
  debt: number
}

/**
 * How news of a replica is charged.
 * - `exact`: in contact: what it took since its last news.
 * - `healed`: heard again after a silence: that, but no more than what it itself still has to refill of its own takes.
 * - `joining`: heard for the first time since this replica started: the whole debt of the sender is taken over, not added, because
 *   others may have told of it, and of what this replica took before it started; only the own parts of both are surely different
 *   tokens. What the sender takes after that is added.
 */
export type MergeRule = 'exact' | 'healed' | 'joining'

/** What regions out of contact bring to a limit. */
export interface AwayShare {
  readonly capacity: number
  readonly refillPerSec: number
}

const ownSlot = 0
/** Over how long the others' rate is a mean, in milliseconds: a few batches. */
const rateMs = 100
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
  #unheardMs = 0
  /** What regions refill that are out of contact, and when the last of them left. */
  #awayPerSec = 0
  #awayFromMs = 0

  constructor(id: number, options: BucketsOptions) {
    super(options, 1)
    this.id = id
  }

  /** Buckets with news to send, at most. */
  get changedCount(): number {
    return this.#changed.length
  }

  setReplicas(replicas: number): void {
    this.table.setReplicas(replicas)
  }

  /** For how long, on average, a take of another replica is not heard of here: a batch interval's half, and the way. 0 for no guard. */
  setUnheardMs(unheardMs: number): void {
    this.#unheardMs = unheardMs
  }

  /**
   * Regions leave contact, of capacities that sum up to this. Their part of every debt, in proportion, is theirs to refill
   * from now on, and this replica's region can spend its own share of what was left; so what all sides may spend is what it was.
   * To be called before the capacity changes.
   */
  park(leaving: AwayShare, nowMs: number): void {
    const part = leaving.capacity / this.capacity
    if (!(part > 0)) return
    this.#awayPerSec += leaving.refillPerSec
    this.#awayFromMs = nowMs
    const clock = this.clock.read(nowMs)
    this.#eachInUse((row) => {
      const debt = this.debtOf(row, clock)
      this.table.floats[row + parkedWord]! += debt * part
      this.table.doubles[row >> 1] = clock + debt * (1 - part)
    })
  }

  /**
   * A region is back in contact: what was parked for it comes back, but for what its own refill has paid meanwhile. `absent` is the
   * capacity of all regions that were out of contact, this one with them.
   */
  unpark(back: AwayShare, awayMs: number, { absent, nowMs }: { absent: number; nowMs: number }): void {
    const clock = this.clock.read(nowMs)
    const paid = (back.refillPerSec * awayMs) / 1000
    this.#awayPerSec = Math.max(0, this.#awayPerSec - back.refillPerSec)
    const { floats, doubles } = this.table
    this.#eachInUse((row) => {
      const parked = floats[row + parkedWord]!
      if (parked === 0) return
      const part = parked * Math.min(1, back.capacity / absent)
      floats[row + parkedWord] = parked - part
      doubles[row >> 1] = clock + this.debtOf(row, clock) + Math.max(0, part - paid)
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
  scanLive(
    range: { from: number; entriesMax: number; rowsMax: number },
    nowMs: number,
    write: (entry: CounterEntry) => void,
  ): number {
    const clock = this.clock.read(nowMs)
    const { stride } = this.table
    const rows = this.table.rowsEverUsed
    const end = Math.min(rows, range.from + range.rowsMax)
    let number = range.from
    for (let written = 0; number < end && written < range.entriesMax; number++) {
      const row = number * stride
      if (!this.table.isUsed(row) || this.#isSettled(row, clock)) continue
      write(this.#entry(row, clock, nowMs))
      written++
    }
    return number < rows ? number : -1
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
    const own = this.table.floats[row + ownFractionWord]! * (debt + parked)
    const after =
      rule === 'joining' ? joined({ debt, own, news, entry }) : this.#debtAfter(debt, { news, entry, rule })
    if (after === debt) return
    this.table.floats[row + ownFractionWord] = after + parked > own ? own / (after + parked) : 1
    this.table.doubles[row >> 1] = clock + after
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
   * What others have probably taken unheard: their rate, for as long as news takes. It makes a burst in all regions at once pass
   * the limit by less.
   */
  protected override guardOf(row: number, nowMs: number): number {
    const rate = this.table.floats[row + othersRateWord]!
    if (rate === 0) return 0
    return (rate * this.#rateLeft(row, nowMs) * this.#unheardMs) / 1000
  }

  protected override charge(row: number, debt: number, tokens: number, clock: number): void {
    const { words, floats } = this.table
    const own = row + firstReplicaWord + ownSlot * wordsPerReplica
    if (debt === 0 && this.#isSettled(row, clock)) this.#endGeneration(row)
    if (words[own] === 0) words[own] = this.#generation
    words[own + 1]! += tokens
    const whole = debt + floats[row + parkedWord]!
    floats[row + ownFractionWord] = (floats[row + ownFractionWord]! * whole + tokens) / (whole + tokens)
    this.#markChanged(row)
  }

  protected override refund(row: number, debt: number, tokens: number): void {
    const { words, floats } = this.table
    const own = row + firstReplicaWord + ownSlot * wordsPerReplica
    if (words[own] === 0) words[own] = this.#generation
    words[own + 2]! += tokens
    const whole = debt + floats[row + parkedWord]!
    const after = whole - tokens
    const ownDebt = floats[row + ownFractionWord]! * whole - tokens
    floats[row + ownFractionWord] = after > 0 && ownDebt > 0 ? ownDebt / after : 0
    this.#markChanged(row)
  }

  /** Full for so long that news of its busy period has arrived everywhere, and that others may soon forget it. */
  #isSettled(row: number, clock: number): boolean {
    return clock - this.table.doubles[row >> 1]! >= this.idleTokens() * settledPart
  }

  /** The next take or give starts a new generation. */
  #endGeneration(row: number): void {
    const own = row + firstReplicaWord + ownSlot * wordsPerReplica
    this.table.words.fill(0, own, own + wordsPerReplica)
    this.table.floats[row + parkedWord] = 0
  }

  /** An exponential mean of what others take a second. */
  #noteRate(row: number, taken: number, nowMs: number): void {
    const { words, floats } = this.table
    const left = this.#rateLeft(row, nowMs)
    floats[row + othersRateWord] = floats[row + othersRateWord]! * left + (taken * 1000) / rateMs
    words[row + rateAtWord] = Math.floor(nowMs) | 0
  }

  /** The part of the rate that is still believed. */
  #rateLeft(row: number, nowMs: number): number {
    const passedMs = (Math.floor(nowMs) - this.table.words[row + rateAtWord]!) | 0
    return passedMs >= rateMs || passedMs < 0 ? 0 : 1 - passedMs / rateMs
  }

  #eachInUse(visit: (row: number) => void): void {
    const { stride } = this.table
    for (let number = 0; number < this.table.rowsEverUsed; number++) {
      if (this.table.isUsed(number * stride)) visit(number * stride)
    }
  }

  #markChanged(row: number): void {
    const { words, stride } = this.table
    const flags = words[row + flagsWord]!
    if ((flags & dirtyFlag) !== 0) return
    words[row + flagsWord] = flags | dirtyFlag
    // Evicted rows leave their numbers behind: without this a flood of new keys would make the list grow for ever.
    if (this.#changed.length >= 2 * this.table.rowsMax) this.#changed.removeRepeated()
    this.#changed.push(row / stride)
  }

  #entry(row: number, clock: number, nowMs: number): CounterEntry {
    const { words, floats } = this.table
    const own = row + firstReplicaWord + ownSlot * wordsPerReplica
    const paid = (this.#awayPerSec * (nowMs - this.#awayFromMs)) / 1000
    const debt = this.debtOf(row, clock) + Math.max(0, floats[row + parkedWord]! - paid)
    return {
      ...rowHash(this.table, row),
      generation: words[own]! >>> 0,
      taken: words[own + 1]! >>> 0,
      returned: words[own + 2]! >>> 0,
      ownDebt: floats[row + ownFractionWord]! * debt,
      debt,
    }
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

  #debtAfter(
    debt: number,
    { news, entry, rule }: { news: News; entry: CounterEntry; rule: Exclude<MergeRule, 'joining'> },
  ): number {
    const net = news.taken - news.returned
    if (rule === 'healed') {
      return Math.max(0, debt + (net > 0 ? Math.min(net, entry.ownDebt) : net))
    }
    // Of a busy period that began unheard, more than the sender owes was refilled before the news came; in contact that is
    // at most what refills while a bucket counts as idle. The bound matters when this replica had to evict the bucket.
    const taken = news.sameGeneration
      ? news.taken
      : Math.min(news.taken, entry.ownDebt + news.returned + this.idleTokens())
    return Math.max(0, debt + taken - news.returned)
  }
}

/** Tokens that a replica took and gave back since its last news. */
interface News {
  readonly taken: number
  readonly returned: number
  readonly sameGeneration: boolean
}

/** The least that can be owed, by what two replicas know that have not heard each other: tokens that both know of count once. */
function joined({ debt, own, news, entry }: Joining): number {
  const since = news.sameGeneration ? news.taken - news.returned : 0
  return Math.max(0, debt + since, own + entry.ownDebt, entry.debt || 0)
}

interface Joining {
  readonly debt: number
  readonly own: number
  readonly news: News
  readonly entry: CounterEntry
}

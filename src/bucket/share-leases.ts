import {
  activeFlag,
  askedWord,
  elapsedMs,
  memoryWord,
  needWord,
  partWord,
  peerMemoryWord,
  peerNeedWord,
  seenWord,
  sentWord,
  type Settled,
  type StrictRows,
} from './strict-rows.ts'
import { ShareTargets } from './share-targets.ts'
import { flagsWord, hashWord } from './table.ts'

/** Asks a lender for a part of its share of one bucket, gives parts back, and tells the demand. */
export interface LeaseClaim {
  /** Hash of the key, signed 32-bit halves. */
  lo: number
  hi: number
  /** The part of the lender's share, 0 to 1, that the claimant holds; no grant that answers an earlier claim will change it. */
  part: number
  /** Tokens that come back with what it held before. */
  tokens: number
  /** Tokens a second that the sender is asked for now, and was in the last half minute. */
  need: number
  memory: number
}

/** The lender's answer: the part that the claimant holds from now on, and the tokens that come with it. */
export type LeaseGrant = LeaseClaim

/** A replica with a share looked at by `claims`. */
export interface Reachable {
  readonly slot: number
  readonly inContact: boolean
}

/** The lessee's lease is shorter than the lender's by this part: so much may their clocks differ in pace. */
const paceMargin = 0.1
/** A lender keeps at least this part of its share, for the first request of a quiet region. */
const keptPart = 1 / 128
/** Smaller moves aren't worth a message, in parts of what is not yet leased: demand is never steady. */
const worthwhilePart = 0.1
/** A lease is given back only when it is too large by this. */
const releasePart = 0.1
const tinyPart = 0.03
/** A bucket is looked after once less than this part of it is left. */
const shortPart = 0.7
/** Where there is no share at all, a bucket is looked after as long as it is asked for so many tokens a second. */
const quietPerSec = 0.01
/** A claim without an answer is repeated after the first; one that was answered is not followed by another before the second. */
const retryMs = 600
const claimGapMs = 100
/** Active buckets looked at in a call. */
const rowsAtOnce = 20_000

/**
 * Moves parts of shares between replicas, by leases (Gray and Cheriton, "Leases", SOSP 1989), so that shares follow demand.
 *
 * A part is taken from the lender's share before the message that brings it is sent, and added to the lessee's when that
 * arrives: never is it in two places. The lessee counts the lease from when it sent the claim, the lender from when it granted it,
 * which is later; each on its own clock. A grant counts only if it answers the last claim, and once: what is lost on the way comes back
 * when the lease ends, or when the next claim tells what the lessee really holds.
 */
export class ShareLeases {
  readonly id: number
  readonly #rows: StrictRows
  readonly #targets = new ShareTargets()
  readonly #lesseeMs: number
  /** Numbers of the rows that are looked after. */
  #active: number[] = []
  #next = 0
  /** Numbers of rows that turned short since they were last looked after. */
  #urgent: number[] = []
  #isRecalled = false

  constructor(id: number, rows: StrictRows) {
    this.id = id
    this.#rows = rows
    this.#lesseeMs = Math.floor(rows.leaseMs * (1 - paceMargin))
  }

  /** Buckets that are looked after. */
  get activeCount(): number {
    return this.#active.length
  }

  /** After a take from a row that was just settled. */
  noteTake(row: number): void {
    const { level, capacity } = this.#rows.settled
    if (level >= capacity * shortPart && capacity > 0) return
    if (this.#activate(row) && this.#urgent.length < rowsAtOnce)
      this.#urgent.push(row / this.#rows.table.stride)
  }

  get isUrgent(): boolean {
    return this.#urgent.length > 0
  }

  /** From now on nothing is lent, and no lease renewed: before this replica stops, and a next life starts with what it has. */
  recall(): void {
    this.#isRecalled = true
  }

  /** Whether a part of the own share of any bucket is leased out. */
  hasLent(nowMs: number): boolean {
    const rows = this.#rows
    const now = rows.time(nowMs)
    return (
      rows.waits(now) || this.#active.some((number) => rows.settle(number * rows.table.stride, now).own < 1)
    )
  }

  /**
   * What is to be claimed now: more where the bucket is short, renewals, and parts that others need more. To be called once a
   * batch interval. The claims are known by the time `nowMs`, in whole milliseconds modulo 2^32, made even.
   */
  claims(nowMs: number, peers: readonly Reachable[], write: (slot: number, claim: LeaseClaim) => void): void {
    this.#urgent = []
    if (this.#next >= this.#active.length) this.#next = 0
    const batch = this.#active.splice(this.#next, rowsAtOnce)
    const kept = batch.filter((number) => {
      this.#look(number, nowMs, peers, write)
      return !this.#isQuiet(number)
    })
    this.#active.splice(this.#next, 0, ...kept)
    this.#next += kept.length
  }

  /** As `claims`, for buckets that turned short since. */
  urgentClaims(
    nowMs: number,
    peers: readonly Reachable[],
    write: (slot: number, claim: LeaseClaim) => void,
  ): void {
    for (const number of this.#urgent.splice(0)) this.#look(number, nowMs, peers, write)
  }

  /** The peer in `slot` claims; the answer, or undefined if the claim is old. `sentAt` is on its clock, modulo 2^32. */
  claimed(slot: number, claim: LeaseClaim, sentAt: number, nowMs: number): LeaseGrant | undefined {
    if (this.#isRecalled) return undefined
    const rows = this.#rows
    const now = rows.time(nowMs)
    const row = rows.rowFor(claim, now)
    if (row < 0 || slot >= rows.slots) return undefined
    rows.updateDemand(row, now)
    const { words, floats } = rows.table
    rows.settle(row, now)
    const peer = rows.peer(row, slot)
    if (rows.isKnown(peer) && words[peer + seenWord] !== 0 && elapsedMs(sentAt, words[peer + seenWord]!) <= 0)
      return undefined
    words[peer + seenWord] = sentAt === 0 ? 1 : sentAt
    floats[peer + peerNeedWord] = claim.need
    floats[peer + peerMemoryWord] = claim.memory
    // While a part of the peer's share is held here, it gets none of this one's; that part goes back first.
    const [part, tokens] = floats[peer + partWord]! > 0 ? [0, 0] : this.#lend(row, slot, claim, now)
    this.#activate(row)
    return this.#tell(row, part, tokens)
  }

  /** The peer in `slot` answers the claim that was sent at that time. */
  granted(slot: number, grant: LeaseGrant, sentAt: number, nowMs: number): void {
    const rows = this.#rows
    const now = rows.time(nowMs)
    const row = rows.table.find(grant.lo, grant.hi)
    if (row < 0 || slot >= rows.slots) return
    const { words, floats } = rows.table
    const peer = rows.peer(row, slot)
    if (words[peer + sentWord] !== (sentAt | 1)) return
    words[peer + sentWord] = sentAt & ~1
    const { level, capacity } = rows.settle(row, now)
    const expires = (sentAt + this.#lesseeMs) | 0
    if (floats[peer + partWord]! < 0 || elapsedMs(now, expires) >= 0) return
    const more = grant.part - floats[peer + partWord]!
    rows.setExpiry(peer, expires)
    floats[peer + partWord] = grant.part
    floats[peer + peerNeedWord] = grant.need
    floats[peer + peerMemoryWord] = grant.memory
    rows.setLevel(row, Math.min(level + grant.tokens, capacity + more * rows.base(slot).capacity))
    this.#activate(row)
  }

  /** A peer began a new incarnation: the times of its claims start anew. What it was lent stays lent until the lease ends. */
  forgetReplica(slot: number): void {
    const { table } = this.#rows
    for (let number = 0; number < table.rowsEverUsed; number++) {
      table.words[this.#rows.peer(number * table.stride, slot) + seenWord] = 0
    }
  }

  /** Looks after a bucket. */
  #look(
    number: number,
    nowMs: number,
    peers: readonly Reachable[],
    write: (slot: number, claim: LeaseClaim) => void,
  ): void {
    const rows = this.#rows
    const now = rows.time(nowMs)
    const row = number * rows.table.stride
    rows.updateDemand(row, now)
    rows.settle(row, now)
    this.#sumDemand(row)
    for (const { slot, inContact } of peers) {
      if (inContact && slot < rows.slots) this.#claim(row, slot, now, write)
    }
  }

  /** Answers whether it was not active before. */
  #activate(row: number): boolean {
    const { words, stride } = this.#rows.table
    const flags = words[row + flagsWord]!
    if ((flags & activeFlag) !== 0) return false
    words[row + flagsWord] = flags | activeFlag
    this.#active.push(row / stride)
    return true
  }

  /** Whether a bucket that was just looked after needs that no more: nothing is leased either way, and it is full enough. */
  #isQuiet(number: number): boolean {
    const rows = this.#rows
    const row = number * rows.table.stride
    const { level, capacity } = rows.settled
    const { floats } = rows.table
    const isAsked = floats[row + askedWord]! > 0 || floats[row + needWord]! > quietPerSec
    if (capacity > 0 ? level < capacity * shortPart : isAsked) return false
    for (let slot = 1; slot < rows.slots; slot++) {
      if (floats[rows.peer(row, slot) + partWord] !== 0) return false
    }
    rows.table.words[row + flagsWord]! &= ~activeFlag
    return true
  }

  #sumDemand(row: number): void {
    const rows = this.#rows
    const { floats } = rows.table
    this.#targets.reset(rows.whole.refillPerSec)
    this.#targets.add(floats[row + needWord]!, floats[row + memoryWord]!)
    for (let slot = 1; slot < rows.slots; slot++) {
      const peer = rows.peer(row, slot)
      this.#targets.add(floats[peer + peerNeedWord]!, floats[peer + peerMemoryWord]!)
    }
  }

  /** By how much a replica's part of the whole limit should be more than it is configured; below 0: less. Slot 0 is this one. */
  #lack(row: number, slot: number): number {
    const rows = this.#rows
    const { floats } = rows.table
    const at = slot === 0 ? row + needWord : rows.peer(row, slot) + peerNeedWord
    const base = rows.base(slot).refillPerSec / rows.whole.refillPerSec
    return this.#targets.part(floats[at]!, floats[at + 1]!, base) - base
  }

  /** The part of the lender's share that should be the lessee's: what is too much here, divided among those who lack. */
  #targetPart(row: number, lender: number, lessee: number): number {
    const rows = this.#rows
    const surplus = -this.#lack(row, lender)
    const lack = this.#lack(row, lessee)
    if (surplus <= 0 || lack <= 0) return 0
    let allLack = 0
    for (let slot = 0; slot < rows.slots; slot++) allLack += Math.max(0, this.#lack(row, slot))
    const base = rows.base(lender).refillPerSec / rows.whole.refillPerSec
    return Math.min(1 - keptPart, ((surplus / base) * lack) / allLack)
  }

  #claim(row: number, slot: number, now: number, write: (slot: number, claim: LeaseClaim) => void): void {
    const rows = this.#rows
    const { words, floats } = rows.table
    const peer = rows.peer(row, slot)
    const sent = words[peer + sentWord]!
    const sinceMs = sent === 0 ? Number.POSITIVE_INFINITY : elapsedMs(now, sent)
    if (sinceMs < ((sent & 1) === 1 ? retryMs : claimGapMs)) return
    const held = Math.max(0, floats[peer + partWord]!)
    const target = this.#targetPart(row, slot, 0)
    // A lease that is hardly wanted any more ends, so that the bucket can be forgotten.
    const wanted = target < tinyPart ? 0 : target
    const releases = held > 0 && (wanted === 0 || held - wanted > releasePart)
    const renews = held > 0 && sinceMs >= this.#lesseeMs / 3
    const asks = isWorthwhile(held, wanted) || this.#wantsBack(row, peer)
    if (!releases && !renews && !asks) return
    const part = releases ? Math.fround(wanted) : held
    const tokens = this.#release(row, slot, held - part)
    if (releases) {
      floats[peer + partWord] = part
      rows.settle(row, now)
    }
    words[peer + sentWord] = claimTime(now) | 1
    write(slot, this.#tell(row, part, tokens))
  }

  /** The peer holds a part of this replica's share that is needed here: telling it the need makes it give that back. */
  #wantsBack(row: number, peer: number): boolean {
    const rows = this.#rows
    if (rows.table.floats[peer + partWord]! >= 0) return false
    const { own } = rows.settled
    const base = rows.base(0).refillPerSec / rows.whole.refillPerSec
    return base > 0 && isWorthwhile(own, 1 + this.#lack(row, 0) / base)
  }

  /** Takes the tokens that go with a part of what is held from a peer. */
  #release(row: number, slot: number, part: number): number {
    const rows = this.#rows
    const { level, capacity } = rows.settled
    const released = part * rows.base(slot).capacity
    if (released <= 0 || capacity <= 0) return 0
    return takeTokens(rows, row, Math.max(0, level) * (released / capacity))
  }

  /** What a peer holds from now on of this replica's share, and the tokens that go with it. */
  #lend(row: number, slot: number, claim: LeaseClaim, now: number): [part: number, tokens: number] {
    const rows = this.#rows
    const { floats } = rows.table
    const peer = rows.peer(row, slot)
    const lent = -floats[peer + partWord]!
    const room = this.#ownBut(row, slot)
    // Right after a start what others say they hold is how this replica learns what it has leased out.
    const held = Math.fround(Math.min(claim.part, rows.waits(now) ? room : lent))
    const back = Math.min(claim.tokens, Math.max(0, lent - held) * rows.base(0).capacity)
    floats[peer + partWord] = -held
    rows.setExpiry(peer, (now + rows.leaseMs) | 0)
    const settled = refreshed(rows, row, now, back)
    this.#sumDemand(row)
    const wanted = Math.min(this.#targetPart(row, 0, slot), held + settled.own - keptPart)
    if (!isWorthwhile(held, wanted)) return [held, 0]
    const part = Math.fround(wanted)
    const given = (part - held) * rows.base(0).capacity
    const tokens = takeTokens(
      rows,
      row,
      settled.capacity > 0 ? Math.max(0, settled.level) * (given / settled.capacity) : 0,
    )
    floats[peer + partWord] = -part
    refreshed(rows, row, now, 0)
    return [part, tokens]
  }

  /** The part of the own share that no other peer holds. */
  #ownBut(row: number, slot: number): number {
    const rows = this.#rows
    let own = 1
    for (let other = 1; other < rows.slots; other++) {
      if (other !== slot) own += Math.min(0, rows.table.floats[rows.peer(row, other) + partWord]!)
    }
    return Math.max(0, own)
  }

  #tell(row: number, part: number, tokens: number): LeaseClaim {
    const { words, floats } = this.#rows.table
    return {
      lo: words[row + hashWord]!,
      hi: words[row + hashWord + 1]!,
      part,
      tokens,
      need: floats[row + needWord]!,
      memory: floats[row + memoryWord]!,
    }
  }
}

function isWorthwhile(held: number, wanted: number): boolean {
  return wanted - held > worthwhilePart * Math.max(keptPart, 1 - held)
}

/** The time by which a claim is known: even, so that the lowest bit is free to say that it is not answered yet. */
function claimTime(now: number): number {
  return now & ~1
}

/** Adds tokens and settles, so that a level above a smaller capacity is cut. */
function refreshed(rows: StrictRows, row: number, now: number, tokens: number): Settled {
  const { capacity, level } = rows.settle(row, now)
  rows.setLevel(row, Math.min(capacity, level + tokens))
  return rows.settle(row, now)
}

/** Takes tokens from a bucket; as many as a message can tell exactly. */
function takeTokens(rows: StrictRows, row: number, tokens: number): number {
  const told = Math.fround(tokens)
  rows.setLevel(row, Math.max(0, rows.settled.level - told))
  return told
}

import { decode, encode, entriesMax } from './codec.ts'
import { Contact } from './contact.ts'
import { LeaseExchange, type LeasedTable, type LeasePeer } from './lease-exchange.ts'
import { livePage } from './live-page.ts'
import type {
  Batch,
  Claims,
  Entry,
  Grants,
  LivePage,
  LiveRequest,
  PageStart,
  ReplicationMessage,
  Section,
} from './messages.ts'
import { nameHash } from './name-hash.ts'
import { newPeer, type Peer } from './peer.ts'
import type { ReplicatedTable } from './replicated-table.ts'
import { withoutStopped, type PeerStatus, type Problem, type ReplicationStats } from './replication-status.ts'
import { RoundTrips, smoothed } from './round-trips.ts'
import { regionOf, type ReplicaId, type Transport } from './transport.ts'

export interface ReplicatorOptions {
  readonly transport: Transport
  /** Higher at every start of this replica. */
  readonly incarnation: number
  /** A replica unheard for this long is out of contact. */
  readonly contactTimeoutMs: number
  /** Monotonic time. */
  readonly nowMs: () => number
  /** The regions whose shares count now: this one, and those in contact. Called when they change. */
  readonly onContact: (regions: ReadonlySet<string>) => void
  /** The first problem of each kind with each replica; all are counted. */
  readonly onProblem?: (from: ReplicaId, problem: Problem) => void
}

const peersMax = 255
/**
 * In contact time-outs: when an answer is no longer waited for (while in contact, news takes less than one either way), when a lower
 * incarnation is believed (its clock was set back), and when a slot may be reused.
 */
const transferTimeouts = 2
const incarnationTimeouts = 10
const slotTimeouts = 1000
/** A batch that others overtook is waited for this part of a contact time-out. */
const gapPatienceParts = 4

/**
 * Tells the other replicas what changed here, and takes in what they tell; repairs what was lost.
 *
 * Each tick broadcasts a batch of the buckets that changed, or a heartbeat. Batches are numbered: after a gap, a silence or a
 * start, the peer's live buckets are asked for, page by page. Until they have come once after a silence, its news is charged by the
 * careful rules, and its region's share doesn't count ({@link Contact}). Time enters by `tick` and `nowMs`, the network by the
 * transport: the same code runs under a simulator.
 */
export class Replicator {
  readonly #options: ReplicatorOptions
  readonly #selfHash: number
  readonly #peers = new Map<ReplicaId, Peer>()
  readonly #contact: Contact
  readonly #leases: LeaseExchange
  readonly #roundTrips = new RoundTrips()
  #tickedAtMs = Number.NaN
  #tables: readonly ReplicatedTable[] = []
  #slots = 1
  #sequence = 0
  #request = 0
  #regions: ReadonlySet<string>
  readonly #reported = new Set<string>()
  readonly stats: ReplicationStats = {
    batchesSent: 0,
    bytesSent: 0,
    batchesReceived: 0,
    batchesRefused: 0,
    bytesReceived: 0,
    entriesSent: 0,
    entriesReceived: 0,
    entriesUnknown: 0,
    malformed: 0,
    gaps: 0,
    transfersStarted: 0,
  }

  constructor(options: ReplicatorOptions) {
    this.#options = options
    this.#selfHash = nameHash(options.transport.self)
    this.#contact = new Contact(options.transport.self, options.contactTimeoutMs)
    this.#regions = new Set([regionOf(options.transport.self)])
    this.#leases = new LeaseExchange({
      incarnation: options.incarnation,
      send: (to, message) => this.#sendTo(to, message),
    })
    options.transport.receive('buckets', (from, payload) => this.#receive(from, payload))
  }

  /** The tables to replicate from now on: those with counters, and those with leases. */
  setTables(tables: readonly ReplicatedTable[], leased: readonly LeasedTable[] = []): void {
    this.#leases.setTables(leased)
    this.#tables = tables.toSorted((a, b) => a.id - b.id)
    for (const table of this.#tables) {
      table.setReplicas(this.#slots)
      table.beginInterval(this.#sequence + 1)
    }
  }

  /** Slots given out; the first is this replica's. */
  get slots(): number {
    return this.#slots
  }

  /** Claims made, and grants given, since the start. */
  get leases(): { readonly claimsSent: number; readonly grantsSent: number } {
    return this.#leases.stats
  }

  /** The replica in a slot; undefined for a slot not given out. */
  replicaAt(slot: number): ReplicaId | undefined {
    if (slot === 0) return this.#options.transport.self
    return this.#peers.values().find((peer) => peer.slot === slot)?.replica
  }

  /** The other replicas, but for those that were stopped; see {@link withoutStopped}. */
  peers(): PeerStatus[] {
    const { nowMs: now, transport, contactTimeoutMs } = this.#options
    const nowMs = now()
    const peers = [...this.#peers.values()].map((peer) => ({
      replica: peer.replica,
      inContact: this.#contact.holds(peer, nowMs),
      silentMs: nowMs - peer.heardAtMs,
      delayMs: peer.delayMs,
    }))
    return withoutStopped(peers, transport.self, contactTimeoutMs)
  }

  /** Once a batch interval: sends what changed, asks again for what did not come, and notices who is in contact. */
  tick(): void {
    const nowMs = this.#options.nowMs()
    for (const peer of this.#peers.values()) {
      this.#repairGaps(peer, nowMs)
      this.#tickTransfer(peer, nowMs)
    }
    this.#updateContact(nowMs)
    this.#setNewsTimes(nowMs)
    this.flush()
    this.#leases.tick(this.#leasePeers(nowMs), nowMs)
  }

  /** How long news of those in contact is under way; they send it as often as this replica. */
  #setNewsTimes(nowMs: number): void {
    const intervalMs = nowMs - this.#tickedAtMs
    this.#tickedAtMs = nowMs
    const delays = [...this.#peers.values()].flatMap((peer) =>
      this.#contact.holds(peer, nowMs) ? (peer.delayMs ?? []) : [],
    )
    const isKnown = delays.length > 0 && intervalMs > 0
    const delayMs = isKnown ? delays.reduce((sum, ms) => sum + ms, 0) / delays.length : 0
    const batchIntervalMs = isKnown ? Math.min(intervalMs, this.#options.contactTimeoutMs) : 0
    for (const table of this.#tables) table.setNewsTimes({ delayMs, batchIntervalMs })
  }

  /** Between ticks: sends only what can't wait. */
  tickUrgent(): void {
    if (!this.#leases.isUrgent) return
    const nowMs = this.#options.nowMs()
    this.#leases.tickUrgent(this.#leasePeers(nowMs), nowMs)
  }

  /** Sends what changed since the last batch, up to a batch's bound, and answers how many buckets; the rest goes with the next. */
  flush(): number {
    const nowMs = this.#options.nowMs()
    let room = entriesMax('batch', this.#tables.length)
    const sections: Section[] = []
    // Each batch begins with another table, so that one with much news keeps none back.
    const first = this.#sequence % Math.max(1, this.#tables.length)
    for (const table of [...this.#tables.slice(first), ...this.#tables.slice(0, first)]) {
      const entries: Entry[] = []
      table.drainChanged(room, nowMs, (entry) => entries.push(entry))
      if (entries.length > 0) sections.push({ table: table.id, entries })
      room -= entries.length
    }
    const hears = [...this.#peers.values()]
      .filter((peer) => this.#contact.hears(peer, nowMs))
      .map(({ replica, sequence, heardAtMs }) => ({
        name: nameHash(replica),
        sequence,
        heldMs: Math.min(65_535, Math.round(nowMs - heardAtMs)),
      }))
    this.#roundTrips.sent(this.#sequence, nowMs)
    const payload = encode({
      kind: 'batch',
      incarnation: this.#options.incarnation,
      sequence: this.#sequence++,
      hears,
      sections,
    })
    for (const table of this.#tables) table.beginInterval(this.#sequence + 1)
    this.stats.batchesSent++
    this.stats.bytesSent += payload.length
    this.#options.transport.broadcast('buckets', payload)
    const sent = sections.reduce((sum, { entries }) => sum + entries.length, 0)
    this.stats.entriesSent += sent
    return sent
  }

  #receive(from: ReplicaId, payload: Uint8Array): void {
    this.stats.bytesReceived += payload.length
    const message = decode(payload)
    if (typeof message === 'string') {
      this.stats.malformed++
      return this.#report(from, message)
    }
    switch (message.kind) {
      case 'batch':
        return this.#receiveBatch(from, message)
      case 'request':
        return this.#answer(from, message)
      case 'page':
        return this.#receivePage(from, message)
      case 'claims':
      case 'grants':
        return this.#receiveLeases(from, message)
    }
  }

  #receiveLeases(from: ReplicaId, message: Claims | Grants): void {
    const peer = this.#peers.get(from)
    // A new incarnation is believed when it sends a batch.
    if (!peer || message.incarnation !== peer.incarnation) return
    const nowMs = this.#options.nowMs()
    if (message.kind === 'claims') this.#leases.answer(this.#leasePeer(peer, nowMs), message, nowMs)
    else this.#leases.take(this.#leasePeer(peer, nowMs), message, nowMs)
  }

  #leasePeers(nowMs: number): LeasePeer[] {
    return [...this.#peers.values()].map((peer) => this.#leasePeer(peer, nowMs))
  }

  #leasePeer(peer: Peer, nowMs: number): LeasePeer {
    const { replica, slot, incarnation } = peer
    return { replica, slot, incarnation, inContact: this.#contact.holds(peer, nowMs) }
  }

  #report(from: ReplicaId, reason: Problem): void {
    const key = `${reason} ${from}`
    if (this.#reported.has(key) || this.#reported.size >= peersMax * 2) return
    this.#reported.add(key)
    this.#options.onProblem?.(from, reason)
  }

  #receiveBatch(from: ReplicaId, batch: Batch): void {
    const nowMs = this.#options.nowMs()
    const peer = this.#peers.get(from) ?? this.#addPeer(from, batch, nowMs)
    if (!peer) {
      this.stats.batchesRefused++
      return this.#report(from, 'too many replicas')
    }
    if (!this.#acceptIncarnation(peer, batch.incarnation, nowMs)) return
    this.stats.batchesReceived++
    if (!this.#contact.hears(peer, nowMs)) this.#part(peer)
    peer.gaps.received(batch.sequence, nowMs)
    if (batch.sequence > peer.sequence) {
      peer.sequence = batch.sequence
      peer.heardAtMs = nowMs
      const hearing = batch.hears.find(({ name }) => name === this.#selfHash)
      peer.hearsUs = hearing !== undefined
      peer.hears = new Set(batch.hears.map(({ name }) => name))
      if (hearing) peer.delayMs = smoothed(peer.delayMs, this.#roundTrips.delayMs(hearing, nowMs))
    }
    // Who doesn't hear us refills what it takes alone: a link in one direction is none.
    const isMute = !peer.hearsUs && peer.rule !== 'joining'
    if (isMute) this.#part(peer)
    // What it owed leaves with it before what it took since is charged.
    if (peer.counts && peer.rule !== 'exact') this.#updateContact(nowMs)
    if (isMute) return
    this.#merge(peer, batch.sections, nowMs)
    if (peer.rule !== 'exact' && !peer.transfer) this.#startTransfer(peer, nowMs)
  }

  /** From now on its news is charged by what it still owes, until its live buckets were transferred. */
  #part(peer: Peer): void {
    peer.transfer = undefined
    if (peer.rule === 'exact') peer.rule = 'healed'
  }

  /** News that was lost is among the live buckets. */
  #repairGaps(peer: Peer, nowMs: number): void {
    if (!peer.gaps.takeLost(nowMs, this.#options.contactTimeoutMs / gapPatienceParts)) return
    this.stats.gaps++
    if (peer.transfer) peer.transfer.again = true
    else this.#startTransfer(peer, nowMs)
  }

  #addPeer(replica: ReplicaId, batch: Batch, nowMs: number): Peer | undefined {
    const slot = this.#freeSlot(nowMs)
    if (slot === undefined) return undefined
    const peer = newPeer({ replica, slot, incarnation: batch.incarnation, heardAtMs: nowMs })
    this.#peers.set(replica, peer)
    return peer
  }

  /** A new slot, or that of a replica long gone. */
  #freeSlot(nowMs: number): number | undefined {
    for (const peer of this.#peers.values()) {
      if (nowMs - peer.heardAtMs < slotTimeouts * this.#options.contactTimeoutMs) continue
      this.#peers.delete(peer.replica)
      this.#forgetReplica(peer.slot)
      return peer.slot
    }
    if (this.#slots > peersMax) return undefined
    const slot = this.#slots++
    for (const table of this.#tables) table.setReplicas(this.#slots)
    return slot
  }

  #forgetReplica(slot: number): void {
    for (const table of this.#tables) table.forgetReplica(slot)
    this.#leases.forgetReplica(slot)
  }

  /** I7: a higher incarnation starts its counts anew; a lower one is an echo of the past. */
  #acceptIncarnation(peer: Peer, incarnation: number, nowMs: number): boolean {
    if (incarnation === peer.incarnation) return true
    const silentMs = nowMs - peer.heardAtMs
    if (incarnation < peer.incarnation && silentMs < incarnationTimeouts * this.#options.contactTimeoutMs)
      return false
    this.#forgetReplica(peer.slot)
    peer.incarnation = incarnation
    peer.sequence = -1
    peer.gaps.reset()
    this.#part(peer)
    return true
  }

  #merge(peer: Peer, sections: readonly Section[], nowMs: number): void {
    for (const { table: id, entries } of sections) {
      this.stats.entriesReceived += entries.length
      const table = this.#tables.find((candidate) => candidate.id === id)
      if (!table) {
        this.stats.entriesUnknown += entries.length
        this.#report(peer.replica, 'unknown limit')
        continue
      }
      for (const entry of entries) table.merge(peer.slot, entry, peer.rule, nowMs)
    }
  }

  #startTransfer(peer: Peer, nowMs: number): void {
    this.stats.transfersStarted++
    this.#ask(peer, { table: 0, row: 0 }, nowMs)
  }

  #ask(peer: Peer, start: PageStart, nowMs: number): void {
    const request = ++this.#request >>> 0
    peer.transfer = { request, start, sentAtMs: nowMs, again: peer.transfer?.again ?? false }
    this.#sendTo(peer.replica, { kind: 'request', incarnation: this.#options.incarnation, request, start })
  }

  #tickTransfer(peer: Peer, nowMs: number): void {
    const timeoutMs = transferTimeouts * this.#options.contactTimeoutMs
    if (!peer.transfer || nowMs - peer.transfer.sentAtMs < timeoutMs) return
    if (this.#contact.hears(peer, nowMs)) this.#ask(peer, peer.transfer.start, nowMs)
    else peer.transfer = undefined
  }

  #answer(to: ReplicaId, { request, start }: LiveRequest): void {
    const nowMs = this.#options.nowMs()
    const { sections, next } = livePage(this.#tables, start, nowMs)
    this.#sendTo(to, { kind: 'page', incarnation: this.#options.incarnation, request, next, sections })
  }

  #receivePage(from: ReplicaId, page: LivePage): void {
    const peer = this.#peers.get(from)
    if (!peer?.transfer || page.request !== peer.transfer.request || page.incarnation !== peer.incarnation)
      return
    const nowMs = this.#options.nowMs()
    this.#merge(peer, page.sections, nowMs)
    if (page.next) return this.#ask(peer, page.next, nowMs)
    const { again } = peer.transfer
    peer.transfer = undefined
    peer.rule = 'exact'
    peer.transferredAtMs = nowMs
    if (again) this.#startTransfer(peer, nowMs)
    this.#updateContact(nowMs)
  }

  #sendTo(to: ReplicaId, message: ReplicationMessage): void {
    const payload = encode(message)
    this.stats.bytesSent += payload.length
    this.#options.transport.send(to, 'buckets', payload)
  }

  #updateContact(nowMs: number): void {
    const regions = this.#contact.update([...this.#peers.values()], nowMs)
    if (regions.size === this.#regions.size && regions.isSubsetOf(this.#regions)) return
    this.#regions = regions
    this.#options.onContact(regions)
  }
}

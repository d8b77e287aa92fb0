import { Limiter } from '../src/limiter/limiter.ts'
import type { SnapshotPage } from '../src/limiter/snapshot.ts'
import type { LimitSpec } from '../src/limiter/types.ts'
import type { PageStart } from '../src/replication/messages.ts'
import type { Channel, Receiver, ReplicaId, Transport } from '../src/replication/transport.ts'
import { EventQueue } from './event-queue.ts'
import { Random } from './random.ts'

export interface ClusterOptions {
  readonly replicas: readonly ReplicaId[]
  readonly limits: readonly LimitSpec[]
  readonly seed: number
  /** One-way delay of a message; from min to max, drawn anew for each: so later ones overtake. */
  readonly delayMs: DelayRange | ((from: ReplicaId, to: ReplicaId) => DelayRange)
  /** Parts of the messages that are lost, and that come twice. */
  readonly loss?: number
  readonly duplication?: number
  /** What each replica's clock shows at the start, and its pace: 1.001 gains a second in 1,000. */
  readonly clockOffsetMs?: (replica: ReplicaId) => number
  readonly clockPace?: (replica: ReplicaId) => number
  /** What a replica's wall clock makes of a start; the number of the start unless said otherwise. */
  readonly incarnation?: (replica: ReplicaId, start: number, cluster: Cluster) => number
  /** The part of a limit of which news may wait; nothing waits unless said otherwise. */
  readonly quietPart?: number
  /** The first start of a replica is that of a new cluster. */
  readonly startsFresh?: boolean
  /** How often each replica saves a page of what it knows; never unless said otherwise. Then it starts with what it saved. */
  readonly snapshotIntervalMs?: number
}

export interface DelayRange {
  readonly min: number
  readonly max: number
}

export const batchIntervalMs = 50
export const contactTimeoutMs = 600

/**
 * Limiters, the product's own, on a network that does what it likes: all in virtual time, and by chance from one seed, so that
 * a run can be repeated exactly.
 */
export class Cluster {
  readonly #options: ClusterOptions
  readonly #members = new Map<ReplicaId, Member>()
  readonly #starts = new Map<ReplicaId, number>()
  readonly #snapshots = new Map<ReplicaId, Snapshot>()
  readonly random: Random
  readonly events = new EventQueue()
  /** Whether messages from one replica to another get through; changed at will. */
  connected: (from: ReplicaId, to: ReplicaId) => boolean = () => true
  /** Faults of the network; switched off to let everything be delivered. */
  faults = true
  /** Bytes that left a region, each copy to another counted. */
  bytesBetweenRegions = 0
  #limits: readonly LimitSpec[]

  constructor(options: ClusterOptions) {
    this.#options = options
    this.#limits = options.limits
    this.random = new Random(options.seed)
    for (const replica of options.replicas) this.start(replica)
  }

  get nowMs(): number {
    return this.events.nowMs
  }

  /** Starts a replica, or starts it again with nothing in memory but what it saved. */
  start(replica: ReplicaId): void {
    const { clockOffsetMs, clockPace, incarnation, startsFresh = true, snapshotIntervalMs } = this.#options
    const starts = (this.#starts.get(replica) ?? 0) + 1
    this.#starts.set(replica, starts)
    const offsetMs = clockOffsetMs?.(replica) ?? 0
    const pace = clockPace?.(replica) ?? 1
    const transport = new SimTransport(replica, this)
    const snapshot = this.#snapshots.get(replica)
    const limiter = new Limiter({
      transport,
      limits: this.#limits,
      hashKey: { lo: 11, hi: 22 },
      incarnation: incarnation?.(replica, starts, this) ?? 1 + starts,
      contactTimeoutMs,
      startsFresh: snapshot?.isLast ?? (startsFresh && starts === 1),
      quietPart: this.#options.quietPart ?? 0,
      nowMs: () => this.nowMs * pace + offsetMs,
    })
    const member: Member = { limiter, transport, stalledUntilMs: 0, isRetiring: false }
    this.#members.set(replica, member)
    if (snapshotIntervalMs !== undefined) this.#remember(replica, member, snapshotIntervalMs)
    const tick = (): void => {
      if (this.#members.get(replica) !== member) return
      if (member.stalledUntilMs <= this.nowMs) limiter.tick()
      if (member.isRetiring && !limiter.hasLent) this.#end(replica, member)
      this.events.after(batchIntervalMs / pace, tick)
    }
    this.events.after(this.random.whole(0, batchIntervalMs), tick)
  }

  /** Restores what an earlier life saved, and saves a page now and then from now on. */
  #remember(replica: ReplicaId, { limiter }: Member, intervalMs: number): void {
    const snapshot = this.#snapshots.get(replica) ?? { pages: [], isLast: false }
    limiter.restore(snapshot.pages.map(({ payload, atMs }) => ({ payload, agoMs: this.nowMs - atMs })))
    snapshot.isLast = false
    this.#snapshots.set(replica, snapshot)
    let start: PageStart = { table: 0, row: 0 }
    let at = 0
    const save = (): void => {
      if (this.#members.get(replica)?.limiter !== limiter) return
      const { payload, next } = limiter.savePage(start, { last: false })
      snapshot.pages[at++] = { payload, atMs: this.nowMs }
      if (!next) snapshot.pages.length = at
      if (!next) at = 0
      start = next ?? { table: 0, row: 0 }
      this.events.after(intervalMs, save)
    }
    this.events.after(intervalMs, save)
  }

  /**
   * Lets a replica end in good order, once nothing is leased out: what it saves then is all there is to know. One that saves nothing
   * knows nothing when it starts again, as after a crash.
   */
  retire(replica: ReplicaId): void {
    const member = this.#members.get(replica)
    if (!member) return
    member.isRetiring = true
    member.limiter.recall()
  }

  #end(replica: ReplicaId, { limiter }: Member): void {
    if (this.#options.snapshotIntervalMs !== undefined) this.#saveAll(replica, limiter)
    limiter.flush()
    this.kill(replica)
  }

  #saveAll(replica: ReplicaId, limiter: Limiter): void {
    const pages: SavedAt[] = []
    let next: PageStart | undefined = { table: 0, row: 0 }
    while (next) {
      const page: SnapshotPage = limiter.savePage(next, { last: true })
      pages.push({ payload: page.payload, atMs: this.nowMs })
      next = page.next
    }
    this.#snapshots.set(replica, { pages, isLast: true })
  }

  /** Ends a replica without a word. */
  kill(replica: ReplicaId): void {
    this.#members.delete(replica)
  }

  /** A replica that does nothing for a while, as in a long collection of garbage: messages wait for it. */
  stall(replica: ReplicaId, durationMs: number): void {
    const member = this.#members.get(replica)
    if (member) member.stalledUntilMs = this.nowMs + durationMs
  }

  isServing(replica: ReplicaId): boolean {
    const member = this.#members.get(replica)
    return member !== undefined && !member.isRetiring && member.stalledUntilMs <= this.nowMs
  }

  limiter(replica: ReplicaId): Limiter {
    return this.#members.get(replica)!.limiter
  }

  running(): ReplicaId[] {
    return [...this.#members.keys()]
  }

  /** Puts other limits in force at one replica; those that start later have them too. */
  reload(replica: ReplicaId, limits: readonly LimitSpec[]): void {
    this.#limits = limits
    this.#members.get(replica)?.limiter.setLimits(limits)
  }

  /** Lets time pass. */
  advance(ms: number): void {
    this.events.runUntil(this.nowMs + ms)
  }

  carry(from: ReplicaId, to: ReplicaId, message: { channel: Channel; payload: Uint8Array }): void {
    const { delayMs, loss = 0, duplication = 0 } = this.#options
    if (regionName(from) !== regionName(to)) this.bytesBetweenRegions += message.payload.length
    if (!this.connected(from, to) || (this.faults && this.random.chance(loss))) return
    const copies = this.faults && this.random.chance(duplication) ? 2 : 1
    const { min, max } = typeof delayMs === 'function' ? delayMs(from, to) : delayMs
    for (let copy = 0; copy < copies; copy++) {
      this.events.after(this.random.whole(min, max), () => this.#deliver(from, to, message))
    }
  }

  #deliver(from: ReplicaId, to: ReplicaId, message: { channel: Channel; payload: Uint8Array }): void {
    const member = this.#members.get(to)
    if (!member) return
    if (member.stalledUntilMs > this.nowMs)
      this.events.at(member.stalledUntilMs, () => this.#deliver(from, to, message))
    else member.transport.deliver(from, message)
  }
}

interface Member {
  readonly limiter: Limiter
  readonly transport: SimTransport
  stalledUntilMs: number
  isRetiring: boolean
}

interface SavedAt {
  readonly payload: Uint8Array
  readonly atMs: number
}

interface Snapshot {
  readonly pages: SavedAt[]
  /** Written by a replica that ended in good order, and not started from since. */
  isLast: boolean
}

function regionName(replica: ReplicaId): string {
  return replica.slice(0, replica.lastIndexOf('/'))
}

class SimTransport implements Transport {
  readonly dropped = 0
  readonly self: ReplicaId
  readonly #cluster: Cluster
  readonly #receivers = new Map<Channel, Receiver>()

  constructor(self: ReplicaId, cluster: Cluster) {
    this.self = self
    this.#cluster = cluster
  }

  broadcast(channel: Channel, payload: Uint8Array): void {
    for (const to of this.#cluster.running()) if (to !== this.self) this.send(to, channel, payload)
  }

  send(to: ReplicaId, channel: Channel, payload: Uint8Array): void {
    this.#cluster.carry(this.self, to, { channel, payload })
  }

  receive(channel: Channel, receiver: Receiver): void {
    this.#receivers.set(channel, receiver)
  }

  deliver(from: ReplicaId, { channel, payload }: { channel: Channel; payload: Uint8Array }): void {
    this.#receivers.get(channel)?.(from, payload)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

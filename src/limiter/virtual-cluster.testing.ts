import type { Channel, Receiver, ReplicaId, Transport } from '../replication/transport.ts'
import { Limiter } from './limiter.ts'
import type { LimitSpec } from './types.ts'

/** For tests: limiters joined by a network that does what it likes, all under virtual time and from one seed. */
export interface VirtualClusterOptions {
  readonly replicas: readonly ReplicaId[]
  readonly limits: readonly LimitSpec[]
  readonly seed: number
  /** One-way delay of a message, drawn anew for each: so later ones overtake. */
  readonly delayMs: { readonly min: number; readonly max: number }
  /** Parts of the messages that are lost, and that come twice. */
  readonly loss?: number
  readonly duplication?: number
  /** What each replica's clock shows at the start. */
  readonly clockOffsetMs?: (replica: ReplicaId) => number
  readonly incarnation?: (replica: ReplicaId) => number
}

export const batchIntervalMs = 50
export const contactTimeoutMs = 600

interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

export class VirtualCluster {
  readonly #options: VirtualClusterOptions
  readonly #limiters = new Map<ReplicaId, Limiter>()
  readonly #transports = new Map<ReplicaId, VirtualTransport>()
  readonly #starts = new Map<ReplicaId, number>()
  #events: Event[] = []
  #order = 0
  #random: number
  nowMs = 0
  /** Whether messages from one replica to another get through; changed by tests at will. */
  connected: (from: ReplicaId, to: ReplicaId) => boolean = () => true
  /** Faults of the network; switched off to let everything be delivered. */
  faults = true

  constructor(options: VirtualClusterOptions) {
    this.#options = options
    this.#random = options.seed | 1
    for (const replica of options.replicas) this.start(replica)
  }

  /** Starts a replica, or starts it again with nothing in memory. */
  start(replica: ReplicaId): void {
    const starts = (this.#starts.get(replica) ?? 0) + 1
    this.#starts.set(replica, starts)
    const transport = new VirtualTransport(replica, this)
    this.#transports.set(replica, transport)
    const offsetMs = this.#options.clockOffsetMs?.(replica) ?? 0
    const limiter = new Limiter({
      transport,
      limits: this.#options.limits,
      hashKey: { lo: 11, hi: 22 },
      incarnation: (this.#options.incarnation?.(replica) ?? 1) + starts,
      contactTimeoutMs,
      nowMs: () => this.nowMs + offsetMs,
    })
    this.#limiters.set(replica, limiter)
    const tick = (): void => {
      if (this.#limiters.get(replica) !== limiter) return
      limiter.tick()
      this.#at(this.nowMs + batchIntervalMs, tick)
    }
    this.#at(this.nowMs + this.#below(batchIntervalMs), tick)
  }

  /** Ends a replica without a word. */
  kill(replica: ReplicaId): void {
    this.#limiters.delete(replica)
    this.#transports.delete(replica)
  }

  limiter(replica: ReplicaId): Limiter {
    return this.#limiters.get(replica)!
  }

  /** Lets time pass. */
  advance(ms: number): void {
    const end = this.nowMs + ms
    for (;;) {
      const next = this.#events[0]
      if (!next || next.atMs > end) break
      this.#events.shift()
      this.nowMs = next.atMs
      next.run()
    }
    this.nowMs = end
  }

  /** A number from 0 to 1 (xorshift32), a step further each time. */
  random(): number {
    this.#random ^= this.#random << 13
    this.#random ^= this.#random >>> 17
    this.#random ^= this.#random << 5
    return (this.#random >>> 0) / 2 ** 32
  }

  carry(from: ReplicaId, to: ReplicaId, deliver: (transport: VirtualTransport) => void): void {
    const { delayMs, loss = 0, duplication = 0 } = this.#options
    if (!this.connected(from, to) || (this.faults && this.random() < loss)) return
    const copies = this.faults && this.random() < duplication ? 2 : 1
    for (let copy = 0; copy < copies; copy++) {
      this.#at(this.nowMs + delayMs.min + this.#below(delayMs.max - delayMs.min), () => {
        const transport = this.#transports.get(to)
        if (transport) deliver(transport)
      })
    }
  }

  others(self: ReplicaId): ReplicaId[] {
    return [...this.#transports.keys()].filter((replica) => replica !== self)
  }

  #below(max: number): number {
    return Math.floor(this.random() * (max + 1))
  }

  #at(atMs: number, run: () => void): void {
    const event = { atMs, order: this.#order++, run }
    let index = this.#events.length
    while (index > 0 && this.#events[index - 1]!.atMs > atMs) index--
    this.#events.splice(index, 0, event)
  }
}

class VirtualTransport implements Transport {
  readonly dropped = 0
  readonly self: ReplicaId
  readonly #cluster: VirtualCluster
  readonly #receivers = new Map<Channel, Receiver>()

  constructor(self: ReplicaId, cluster: VirtualCluster) {
    this.self = self
    this.#cluster = cluster
  }

  broadcast(channel: Channel, payload: Uint8Array): void {
    for (const to of this.#cluster.others(this.self)) this.send(to, channel, payload)
  }

  send(to: ReplicaId, channel: Channel, payload: Uint8Array): void {
    this.#cluster.carry(this.self, to, (transport) => transport.#receivers.get(channel)?.(this.self, payload))
  }

  receive(channel: Channel, receiver: Receiver): void {
    this.#receivers.set(channel, receiver)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

import type { Channel, Receiver, ReplicaId, Transport } from './transport.ts'

export interface InProcessOptions {
  /** One-way delay of a message, in milliseconds. */
  readonly delayMs: (from: ReplicaId, to: ReplicaId) => number
  /** Runs `deliver` after `delayMs`; timers of the host, or of a simulator. */
  readonly schedule: (deliver: () => void, delayMs: number) => void
  /** Messages under way from one replica to another at most. */
  readonly inFlightMax?: number
}

const inFlightMaxDefault = 4096

/** Joins replicas of one process: the embedded default, and what tests and simulations use. */
export class InProcessNetwork {
  readonly #options: InProcessOptions
  readonly #members = new Map<ReplicaId, InProcessTransport>()

  constructor(options: InProcessOptions) {
    this.#options = options
  }

  /** @throws {Error} if a replica of that name is already connected. */
  connect(self: ReplicaId): Transport {
    if (this.#members.has(self)) throw new Error(`replica ${self} is already connected`)
    const member = new InProcessTransport(self, this)
    this.#members.set(self, member)
    return member
  }

  /** Carries a message; the transports' business. */
  carry(message: Message): void {
    const to = this.#members.get(message.to)
    const from = this.#members.get(message.from)
    if (!to || !from || to === from) return
    const inFlight = from.inFlight.get(message.to) ?? 0
    if (inFlight >= (this.#options.inFlightMax ?? inFlightMaxDefault)) {
      from.dropped++
      return
    }
    from.inFlight.set(message.to, inFlight + 1)
    const deliver = (): void => {
      from.inFlight.set(message.to, from.inFlight.get(message.to)! - 1)
      to.deliver(message)
    }
    this.#options.schedule(deliver, this.#options.delayMs(message.from, message.to))
  }

  others(self: ReplicaId): ReplicaId[] {
    return [...this.#members.keys()].filter((member) => member !== self)
  }

  disconnect(self: ReplicaId): void {
    this.#members.delete(self)
  }
}

interface Message {
  readonly from: ReplicaId
  readonly to: ReplicaId
  readonly channel: Channel
  readonly payload: Uint8Array
}

class InProcessTransport implements Transport {
  readonly self: ReplicaId
  readonly inFlight = new Map<ReplicaId, number>()
  dropped = 0
  readonly #network: InProcessNetwork
  readonly #receivers = new Map<Channel, Receiver>()
  #closed = false

  constructor(self: ReplicaId, network: InProcessNetwork) {
    this.self = self
    this.#network = network
  }

  broadcast(channel: Channel, payload: Uint8Array): void {
    for (const to of this.#network.others(this.self)) this.send(to, channel, payload)
  }

  send(to: ReplicaId, channel: Channel, payload: Uint8Array): void {
    if (!this.#closed) this.#network.carry({ from: this.self, to, channel, payload })
  }

  receive(channel: Channel, receiver: Receiver): void {
    this.#receivers.set(channel, receiver)
  }

  deliver({ from, channel, payload }: Message): void {
    if (!this.#closed) this.#receivers.get(channel)?.(from, payload)
  }

  close(): Promise<void> {
    this.#closed = true
    this.#network.disconnect(this.self)
    return Promise.resolve()
  }
}

import {
  connect,
  type Authenticator,
  type NatsConnection,
  type Status,
  type TlsOptions,
} from '@nats-io/transport-node'
import type { Channel, Receiver, ReplicaId, Transport } from './transport.ts'

export interface NatsOptions {
  readonly self: ReplicaId
  /** Sets apart clusters that share servers. */
  readonly cluster: string
  /** `nats://host:port` or `tls://host:port`; tried in any order, others of the cluster are learnt from them. */
  readonly servers: readonly string[]
  readonly authenticator?: Authenticator
  readonly tls?: TlsOptions
  /** What became of the connection; never credentials. */
  readonly onStatus?: (status: Pick<Status, 'type'> & { readonly server?: string }) => void
}

/** A {@link Transport} over NATS; its connection is also for others, such as the lease of the replica's name. */
export interface NatsTransport extends Transport {
  readonly connection: NatsConnection
  /** Whether a server is reached now. */
  readonly isConnected: boolean
  /** What is to be done before the connection closes. */
  beforeClose(run: () => Promise<void>): void
}

/** Bytes that no server has confirmed, at most; beyond them messages are dropped: what they tell is repaired later anyway. */
const unconfirmedBytesMax = 8 * 1024 * 1024
const reconnectTimeWaitMs = 250
const reconnectJitterMs = 250
/** A dead link is noticed within this, times two. */
const pingIntervalMs = 1000
const channels: readonly Channel[] = ['buckets', 'cache']

/**
 * Connects a replica to NATS, by servers of its region that are joined to those of others (gateways), or a leaf node beside it.
 * Waits for the first connection; after that reconnects for ever. Core NATS only: at most once, in order from one sender.
 *
 * Who sends stands in the subject, so that permissions of the server can hold a replica to its own name:
 * `openclaw.<cluster>.<channel>.all.<from>` to all, `openclaw.<cluster>.<channel>.to.<to>.<from>` to one.
 *
 * @throws {Error} if credentials are refused.
 */
export async function connectNats(options: NatsOptions): Promise<NatsTransport> {
  const connection = await connect({
    servers: [...options.servers],
    name: options.self,
    noEcho: true,
    // Apart from those of others, so that permissions of the server can keep replies from them.
    inboxPrefix: `_INBOX.${replicaToken(options.self)}`,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: reconnectTimeWaitMs,
    reconnectJitter: reconnectJitterMs,
    reconnectJitterTLS: reconnectJitterMs,
    waitOnFirstConnect: true,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    ...(options.authenticator && { authenticator: options.authenticator }),
    ...(options.tls && { tls: options.tls }),
  })
  const transport = new Nats(connection, options)
  // Others hear of this replica's subscriptions before it says a word.
  await connection.flush()
  return transport
}

class Nats implements NatsTransport {
  readonly self: ReplicaId
  readonly connection: NatsConnection
  dropped = 0
  isConnected = true
  readonly #prefix: string
  readonly #receivers = new Map<Channel, Receiver>()
  #beforeClose: () => Promise<void> = () => Promise.resolve()
  #closed = false
  #unconfirmedBytes = 0
  #isConfirming = false

  constructor(connection: NatsConnection, { self, cluster, onStatus }: NatsOptions) {
    this.self = self
    this.connection = connection
    this.#prefix = subjectPrefix(cluster)
    for (const channel of channels) {
      this.#subscribe(channel, `${this.#prefix}.${channel}.all.*`)
      this.#subscribe(channel, `${this.#prefix}.${channel}.to.${replicaToken(self)}.*`)
    }
    void this.#watch(onStatus)
  }

  broadcast(channel: Channel, payload: Uint8Array): void {
    this.#publish(`${this.#prefix}.${channel}.all.${replicaToken(this.self)}`, payload)
  }

  send(to: ReplicaId, channel: Channel, payload: Uint8Array): void {
    this.#publish(`${this.#prefix}.${channel}.to.${replicaToken(to)}.${replicaToken(this.self)}`, payload)
  }

  receive(channel: Channel, receiver: Receiver): void {
    this.#receivers.set(channel, receiver)
  }

  beforeClose(run: () => Promise<void>): void {
    this.#beforeClose = run
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.isConnected) await this.#beforeClose()
    // Draining waits for a server's answer, which doesn't come while there is none.
    await (this.isConnected ? this.connection.drain() : this.connection.close()).catch(() => {})
  }

  #subscribe(channel: Channel, subject: string): void {
    this.connection.subscribe(subject, {
      callback: (error, message) => {
        if (error || this.#closed) return
        const from = replicaOf(message.subject.slice(message.subject.lastIndexOf('.') + 1))
        if (from !== undefined && from !== this.self) this.#receivers.get(channel)?.(from, message.data)
      },
    })
  }

  #publish(subject: string, payload: Uint8Array): void {
    if (this.#closed) return
    // The client would keep what is published while there is no connection, however long; old batches are no use to anybody.
    if (!this.isConnected || this.#unconfirmedBytes + payload.length > unconfirmedBytesMax) {
      this.dropped++
      return
    }
    this.#unconfirmedBytes += payload.length
    this.connection.publish(subject, payload)
    if (!this.#isConfirming) void this.#confirm()
  }

  /** Asks the server to confirm what was sent so far. */
  async #confirm(): Promise<void> {
    this.#isConfirming = true
    const bytes = this.#unconfirmedBytes
    await this.connection.flush().catch(() => {})
    this.#unconfirmedBytes -= bytes
    this.#isConfirming = false
  }

  async #watch(onStatus: NatsOptions['onStatus']): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'disconnect') this.isConnected = false
      if (status.type === 'reconnect') this.isConnected = true
      if (status.type === 'ping') continue
      onStatus?.({ type: status.type, ...('server' in status && { server: status.server }) })
    }
    this.isConnected = false
  }
}

export function subjectPrefix(cluster: string): string {
  return `openclaw.${replicaToken(cluster)}`
}

/** A name as one token of a subject, where dots, stars and white space mean something. */
export function replicaToken(name: string): string {
  return encodeURIComponent(name).replaceAll('.', '%2E').replaceAll('*', '%2A')
}

function replicaOf(subjectToken: string): ReplicaId | undefined {
  try {
    return decodeURIComponent(subjectToken)
  } catch {
    return undefined
  }
}

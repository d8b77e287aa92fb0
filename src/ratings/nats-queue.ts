import {
  AckPolicy,
  DiscardPolicy,
  jetstream,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type Consumer,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  type StreamConfig,
} from '@nats-io/jetstream'
import { nanos, type NatsConnection } from '@nats-io/transport-node'
import { createHash, randomUUID } from 'node:crypto'
import { z } from 'zod'
import { IdempotencyKeyReusedError, StoreUnavailableError } from './errors.ts'
import type { RatingWrite } from './types.ts'
import type { WriteQueue } from './write-queue.ts'

export interface NatsQueueOptions {
  readonly cluster: string
  readonly region: string
  /** Of the JetStream, where it is behind a leaf node; else the servers' own. */
  readonly domain?: string | undefined
  readonly maxBytes: number
  readonly maxMessages: number
  /** No more are taken in while the oldest has waited longer. */
  readonly maxAgeMs: number
  /** Servers that keep each write. */
  readonly replicas: number
  /** Something in it that can't be read; it is removed. */
  readonly onMalformed?: () => void
}

const consumerName = 'flush'
/** How long one taker has for a write until another gets it. */
const ackWaitMs = 30_000
/** Writes with one taker or another at once. */
const takenMax = 2000
const takeMax = 500
/** How long a taker waits for writes. */
const takeWaitMs = 1000
/** After a write that could not be stored. */
const againMs = 1000
const publishTimeoutMs = 2000
/** How long JetStream knows a write by its id. */
const duplicateWindowMs = 120_000
const depthIntervalMs = 1000
const retryAfterMs = 1000
const notFound = 404

const schema = z.strictObject({
  v: z.literal(1),
  subject: z.string(),
  user: z.string(),
  score: z.int(),
  comment: z.string().nullable(),
  key: z.string().optional(),
  waitedMs: z.number(),
})

/**
 * The queue in JetStream of the region's own servers: in files, refusing what is beyond its bounds, and without an age at which
 * writes would be lost. The edges of the region share one consumer. A write's time of acceptance is told by the one clock of
 * these servers, so that order among them is exact, and the same each time it is given.
 * @throws {Error} if JetStream isn't there.
 */
export async function openNatsQueue(
  connection: NatsConnection,
  options: NatsQueueOptions,
): Promise<WriteQueue> {
  const { domain } = options
  const at = { checkAPI: false, ...(domain !== undefined && { domain }) }
  const manager = await jetstreamManager(connection, at)
  const stream = ['openclaw', options.cluster, options.region, 'ratings'].map(nameOf).join('_')
  const subject = ['openclaw', options.cluster, 'ratings', options.region].map(nameOf).join('.')
  await makeStream(manager, stream, {
    subjects: [subject],
    storage: StorageType.File,
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    max_bytes: options.maxBytes,
    max_msgs: options.maxMessages,
    num_replicas: options.replicas,
    duplicate_window: nanos(duplicateWindowMs),
  })
  await orMake(
    () => manager.consumers.info(stream, consumerName),
    () =>
      manager.consumers.add(stream, {
        durable_name: consumerName,
        ack_policy: AckPolicy.Explicit,
        ack_wait: nanos(ackWaitMs),
        max_ack_pending: takenMax,
        max_deliver: -1,
      }),
  )
  const client = jetstream(connection, at)
  const consumer = await client.consumers.get(stream, consumerName)
  return new NatsQueue({ client, manager, consumer, stream, subject, options })
}

/** Makes the stream, or gives the one that is there the bounds that are configured now. */
async function makeStream(
  manager: JetStreamManager,
  name: string,
  config: Partial<StreamConfig>,
): Promise<void> {
  const there = await orMake(
    () => manager.streams.info(name),
    () => manager.streams.add({ ...config, name }),
  )
  const { max_bytes, max_msgs, num_replicas } = there.config
  const isAsConfigured =
    max_bytes === config.max_bytes && max_msgs === config.max_msgs && num_replicas === config.num_replicas
  // While the leader of all regions' servers is out of reach it stays as it is.
  if (!isAsConfigured) await manager.streams.update(name, config).catch(() => {})
}

async function orMake<T>(find: () => Promise<T>, make: () => Promise<T>): Promise<T> {
  try {
    return await find()
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === notFound) return make()
    throw error
  }
}

interface Parts {
  readonly client: JetStreamClient
  readonly manager: JetStreamManager
  readonly consumer: Consumer
  readonly stream: string
  readonly subject: string
  readonly options: NatsQueueOptions
}

class NatsQueue implements WriteQueue {
  readonly #parts: Parts
  readonly #timer: NodeJS.Timeout
  #depth = 0
  #oldestMs: number | undefined
  #isStopped = false
  #endTake: () => void = () => {}

  constructor(parts: Parts) {
    this.#parts = parts
    void this.#measure()
    this.#timer = setInterval(() => void this.#measure(), depthIntervalMs)
  }

  get depth(): number {
    return this.#depth
  }

  async push(write: RatingWrite, waitedMs: number): Promise<void> {
    const { subject, user, score, comment, idempotencyKey: key } = write
    if (this.#oldestMs !== undefined && Date.now() - this.#oldestMs > this.#parts.options.maxAgeMs)
      throw unavailable('the oldest rating has waited too long for the store')
    const id = key === undefined ? randomUUID() : idOf(user, key)
    const message = { v: 1, subject, user, score, comment, ...(key !== undefined && { key }), waitedMs }
    const { seq, duplicate } = await this.#publish(JSON.stringify(message), id)
    this.#depth++
    if (duplicate && key !== undefined) await this.#compare(write, { seq, key })
  }

  async take(handle: (write: RatingWrite) => Promise<boolean>): Promise<void> {
    if (this.#isStopped) return
    const messages = await this.#parts.consumer.fetch({ max_messages: takeMax, expires: takeWaitMs })
    this.#endTake = (): void => messages.stop()
    const handled: Promise<void>[] = []
    try {
      for await (const message of messages) handled.push(this.#handle(message, handle))
    } finally {
      // One that can't be acknowledged is given again.
      await Promise.allSettled(handled)
    }
  }

  stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    this.#endTake()
    return Promise.resolve()
  }

  async #publish(payload: string, msgID: string): Promise<{ seq: number; duplicate: boolean }> {
    try {
      return await this.#parts.client.publish(this.#parts.subject, payload, {
        msgID,
        timeout: publishTimeoutMs,
      })
    } catch (error) {
      throw unavailable('the rating could not be queued either', error)
    }
  }

  /** Whether the write that is kept under a key is this one. One that is gone has been stored: the store knows its key. */
  async #compare(write: RatingWrite, { seq, key }: { seq: number; key: string }): Promise<void> {
    const { manager, stream } = this.#parts
    const kept = await manager.streams.getMessage(stream, { seq }).catch(() => null)
    const other = kept && read(kept.data)
    if (!other) return
    const isSame =
      other.subject === write.subject && other.score === write.score && other.comment === write.comment
    if (!isSame) throw new IdempotencyKeyReusedError(key)
  }

  async #handle(message: JsMsg, handle: (write: RatingWrite) => Promise<boolean>): Promise<void> {
    const content = read(message.data)
    if (!content) {
      this.#parts.options.onMalformed?.()
      message.term()
      return
    }
    const { subject, user, score, comment, key, waitedMs } = content
    const acceptedAtMicros = Math.round(Number(message.timestampNanos / 1000n) - waitedMs * 1000)
    const write = { subject, user, score, comment, acceptedAtMicros }
    if (await handle(key === undefined ? write : { ...write, idempotencyKey: key })) {
      message.ack()
      this.#depth = Math.max(0, this.#depth - 1)
    } else {
      message.nak(againMs)
    }
  }

  /** What other edges put in and take is seen only so. */
  async #measure(): Promise<void> {
    const info = await this.#parts.manager.streams.info(this.#parts.stream).catch(() => undefined)
    if (!info) return
    this.#depth = info.state.messages
    this.#oldestMs = info.state.messages > 0 ? Date.parse(info.state.first_ts) : undefined
  }
}

function read(data: Uint8Array): z.output<typeof schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(new TextDecoder().decode(data))).data
  } catch {
    return undefined
  }
}

function idOf(user: string, key: string): string {
  return createHash('sha256')
    .update(JSON.stringify([user, key]))
    .digest('base64url')
}

/** A name as a part of a stream's name, or a token of a subject. */
function nameOf(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_-]/g, '_')
}

function unavailable(message: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(message, { retryAfterMs, cause })
}

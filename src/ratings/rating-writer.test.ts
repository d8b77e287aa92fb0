import { expect, test } from 'vitest'
import { IdempotencyKeyReusedError, OverloadedError, StoreUnavailableError } from './errors.ts'
import { RatingWriter } from './rating-writer.ts'
import type { Rating, RatingWrite } from './types.ts'
import type { WriteQueue } from './write-queue.ts'

const away = new StoreUnavailableError('away', { retryAfterMs: 1000 })
const now = new Date(0)
const write = (user: string): RatingWrite => ({ subject: 'tea', user, score: 3, comment: null })

/** A queue in memory; a taker waits until there is something. */
class MemoryQueue implements WriteQueue {
  readonly kept: RatingWrite[] = []
  isFull = false
  #wake: () => void = () => {}

  get depth(): number {
    return this.kept.length
  }

  push(one: RatingWrite, waitedMs: number): Promise<void> {
    if (this.isFull) return Promise.reject(new StoreUnavailableError('full', { retryAfterMs: 1000 }))
    this.kept.push({ ...one, acceptedAtMicros: 1e6 - waitedMs * 1000 })
    this.#wake()
    return Promise.resolve()
  }

  async take(handle: (write: RatingWrite) => Promise<boolean>): Promise<void> {
    if (this.kept.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve))
    const [first] = this.kept
    if (first && (await handle(first))) this.kept.shift()
  }

  stop(): Promise<void> {
    this.#wake()
    return Promise.resolve()
  }
}

function makeWriter(more: { queue?: WriteQueue; queueMax?: number } = {}): {
  writer: RatingWriter
  store: { isAway: boolean; failure: Error; refuses: boolean; stored: RatingWrite[] }
  dropped: unknown[]
} {
  const store = { isAway: false, failure: away, refuses: false, stored: [] as RatingWrite[] }
  const dropped: unknown[] = []
  const writer = new RatingWriter({
    commit: (writes) => {
      if (store.isAway) return Promise.reject(store.failure)
      if (store.refuses) return Promise.reject(new Error('refused'))
      store.stored.push(...writes)
      return Promise.resolve(writes.map((one): Rating => ({ ...one, createdAt: now, updatedAt: now })))
    },
    maxDelayMs: 0,
    batchMax: 10,
    inFlightMax: 1,
    queueMax: 10,
    storeAnswers: () => !store.isAway,
    onDropped: (_write, error) => dropped.push(error),
    ...more,
  })
  return { writer, store, dropped }
}

test('while the store answers a write is stored, and nothing is queued', async () => {
  const queue = new MemoryQueue()
  const { writer, store } = makeWriter({ queue })
  expect(await writer.put(write('a'))).toMatchObject({ status: 'stored', rating: { user: 'a' } })
  expect([store.stored.length, queue.depth]).toEqual([1, 0])
  await writer.drain()
})

test('while it is away writes are queued, and stored when it is back, with the time when they were accepted', async () => {
  const queue = new MemoryQueue()
  const { writer, store } = makeWriter({ queue })
  store.isAway = true
  expect(await writer.put(write('a'))).toEqual({ status: 'queued' })
  expect(await writer.put(write('b'))).toEqual({ status: 'queued' })
  expect(writer.awaitingStore).toBe(2)
  store.isAway = false
  await expect.poll(() => store.stored.map(({ user }) => user)).toEqual(['a', 'b'])
  expect(store.stored.every(({ acceptedAtMicros }) => acceptedAtMicros !== undefined)).toBe(true)
  await expect.poll(() => writer.awaitingStore).toBe(0)
  await writer.drain()
})

test('a write that may still happen is queued when it no longer can, with the time when it was accepted', async () => {
  const queue = new MemoryQueue()
  const { writer, store } = makeWriter({ queue })
  store.isAway = true
  store.failure = new StoreUnavailableError('lost', { retryAfterMs: 1000, mayHappenForMs: 40 })
  expect(await writer.put(write('a'))).toEqual({ status: 'queued' })
  expect(queue.kept[0]!.acceptedAtMicros).toBeLessThan(1e6 - 30_000)
  await writer.drain()
})

test('without a queue, or with a full one, the caller hears that the store is away', async () => {
  const alone = makeWriter()
  alone.store.isAway = true
  await expect(alone.writer.put(write('a'))).rejects.toThrow(StoreUnavailableError)
  const queue = new MemoryQueue()
  queue.isFull = true
  const { writer, store } = makeWriter({ queue })
  store.isAway = true
  await expect(writer.put(write('a'))).rejects.toThrow(StoreUnavailableError)
  await writer.drain()
})

test('a store with too much to do gets no queue behind it', async () => {
  const queue = new MemoryQueue()
  const { writer } = makeWriter({ queue, queueMax: 0 })
  await expect(writer.put(write('a'))).rejects.toThrow(OverloadedError)
  expect(queue.depth).toBe(0)
  await writer.drain()
})

test('a queued write that the store refuses for good is dropped and told, so that others are not held up', async () => {
  const queue = new MemoryQueue()
  const { writer, store, dropped } = makeWriter({ queue })
  store.isAway = true
  await writer.put(write('a'))
  ;[store.refuses, store.isAway] = [true, false]
  await expect.poll(() => dropped).toHaveLength(1)
  expect(dropped[0]).not.toBeInstanceOf(IdempotencyKeyReusedError)
  await expect.poll(() => queue.depth).toBe(0)
  await writer.drain()
})

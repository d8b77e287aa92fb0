import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startNats, type NatsServer } from '../../test/support/nats.ts'
import { IdempotencyKeyReusedError, StoreUnavailableError } from './errors.ts'
import { openNatsQueue, type NatsQueueOptions } from './nats-queue.ts'
import type { RatingWrite } from './types.ts'
import type { WriteQueue } from './write-queue.ts'

let server: NatsServer
let connection: NatsConnection
let clusters = 0
let cluster: string
let opened: WriteQueue[]

const write = (user: string, more: Partial<RatingWrite> = {}): RatingWrite => ({
  subject: 'tea',
  user,
  score: 3,
  comment: '☕',
  ...more,
})

async function open(more: Partial<NatsQueueOptions> = {}): Promise<WriteQueue> {
  const bounds = { maxBytes: 1_048_576, maxMessages: 1000, maxAgeMs: 60_000, replicas: 1 }
  const queue = await openNatsQueue(connection, { cluster, region: 'us', ...bounds, ...more })
  opened.push(queue)
  return queue
}

/** Takes until so many were given. */
async function takeAll(queue: WriteQueue, count: number): Promise<RatingWrite[]> {
  const taken: RatingWrite[] = []
  while (taken.length < count) {
    await queue.take((one) => {
      taken.push(one)
      return Promise.resolve(true)
    })
  }
  return taken
}

beforeAll(async () => {
  server = await startNats()
  connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
})
afterAll(async () => {
  await Promise.all(opened.map((queue) => queue.stop()))
  await connection.close()
  await server.stop()
})
beforeEach(() => {
  cluster = `c${clusters++}`
  opened ??= []
})

test('what was pushed is given once, in order, with times of acceptance that rise', async () => {
  const queue = await open()
  const users = Array.from({ length: 20 }, (_, n) => `user${n}`)
  for (const user of users) await queue.push(write(user), 0)
  const taken = await takeAll(queue, 20)
  expect(taken.map(({ user }) => user)).toEqual(users)
  expect(taken[0]).toMatchObject({ subject: 'tea', score: 3, comment: '☕' })
  const times = taken.map(({ acceptedAtMicros }) => acceptedAtMicros!)
  expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b))
  expect(Math.abs(times[0]! / 1000 - Date.now())).toBeLessThan(60_000)
  await expect.poll(() => queue.depth).toBe(0)
})

test('the time of acceptance is before what the write waited, and the same when it is given again', async () => {
  const queue = await open()
  await queue.push(write('now'), 0)
  await queue.push(write('waited'), 3_600_000)
  const given: RatingWrite[] = []
  while (given.length < 4) {
    await queue.take((one) => {
      given.push(one)
      return Promise.resolve(given.length > 2)
    })
  }
  const [first, second] = given
  expect(first!.acceptedAtMicros! - second!.acceptedAtMicros!).toBeGreaterThan(3_500_000_000)
  expect(given.slice(2).toSorted((a, b) => a.user.localeCompare(b.user))).toEqual([first, second])
})

test('edges of the region share it; another region has its own', async () => {
  const [one, two, other] = [await open(), await open(), await open({ region: 'eu' })]
  for (let n = 0; n < 6; n++) await one.push(write(`user${n}`), 0)
  await other.push(write('other'), 0)
  const taken: string[] = []
  const note = (edge: string) => (given: RatingWrite) => {
    taken.push(`${edge} ${given.user}`)
    return Promise.resolve(true)
  }
  while (taken.length < 6) await Promise.all([one.take(note('one')), two.take(note('two'))])
  expect(new Set(taken.map((name) => name.split(' ')[1]))).toEqual(
    new Set(Array.from({ length: 6 }, (_, n) => `user${n}`)),
  )
  expect((await takeAll(other, 1)).map(({ user }) => user)).toEqual(['other'])
})

test('of one key and one request one write is kept; the key with another request is refused', async () => {
  const queue = await open()
  await queue.push(write('alice', { idempotencyKey: 'k' }), 0)
  await queue.push(write('alice', { idempotencyKey: 'k' }), 5)
  await expect(queue.push(write('alice', { idempotencyKey: 'k', score: 4 }), 0)).rejects.toThrow(
    IdempotencyKeyReusedError,
  )
  await queue.push(write('bob', { idempotencyKey: 'k' }), 0)
  const taken = await takeAll(queue, 2)
  expect(taken.map(({ user, idempotencyKey }) => [user, idempotencyKey])).toEqual([
    ['alice', 'k'],
    ['bob', 'k'],
  ])
})

test('a full queue, and one whose oldest write has waited too long, takes no more and loses nothing', async () => {
  const queue = await open({ maxMessages: 2 })
  await queue.push(write('a'), 0)
  await queue.push(write('b'), 0)
  await expect(queue.push(write('c'), 0)).rejects.toThrow(StoreUnavailableError)
  const old = await open({ region: 'old', maxAgeMs: 1 })
  await old.push(write('d'), 0)
  await expect
    .poll(() => old.push(write('e'), 0).catch((error: unknown) => String(error)), { timeout: 10_000 })
    .toMatch(/waited too long/)
  expect((await takeAll(queue, 2)).map(({ user }) => user)).toEqual(['a', 'b'])
})

test('what was kept outlives kill -9 of the server; while it is down pushes fail in time', async () => {
  const queue = await open()
  for (let n = 0; n < 50; n++) await queue.push(write(`user${n}`), 0)
  await server.kill()
  await expect(queue.push(write('lost'), 0)).rejects.toThrow(StoreUnavailableError)
  await server.restart()
  await expect
    .poll(() => queue.push(write('last'), 0).then(() => 'kept', String), { timeout: 20_000 })
    .toBe('kept')
  const users = new Set<string>()
  while (users.size < 51) {
    await queue
      .take(({ user }) => {
        if (user !== 'lost') users.add(user)
        return Promise.resolve(true)
      })
      .catch(() => {})
  }
})

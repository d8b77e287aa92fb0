import { Kvm } from '@nats-io/kv'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startNats, type NatsServer } from '../../test/support/nats.ts'
import { NoJetStreamError } from './region-bucket.ts'
import { openSnapshotStore, type SnapshotStore } from './snapshot-store.ts'

let server: NatsServer
let connection: NatsConnection
beforeAll(async () => {
  server = await startNats()
  connection = await connect({ servers: server.url })
})
afterAll(async () => {
  await connection.close()
  await server.stop()
})

const open = (replica: string): Promise<SnapshotStore> =>
  openSnapshotStore(connection, { cluster: 'a.b', replica })
const bytes = (...values: number[]): Uint8Array => Buffer.from(values)

test('a replica that never began has no snapshot; one that began and saved nothing has an empty one', async () => {
  const store = await open('us/0')
  expect(await store.begin()).toBeUndefined()
  expect(await store.begin()).toEqual({ pages: [], isLast: false })
})

test('pages are found again by the same replica only, with their age', async () => {
  const store = await open('us/1')
  await store.begin()
  await store.put(0, bytes(1, 2, 3))
  await store.put(1, new Uint8Array(512 * 1024).fill(7))
  await store.seal(2, { isLast: false })
  expect(await (await open('us/2')).begin()).toBeUndefined()
  const earlier = await (await open('us/1')).begin()
  expect(earlier?.isLast).toBe(false)
  expect(earlier?.pages.map(({ payload }) => payload.length)).toEqual([3, 512 * 1024])
  expect(earlier?.pages[0]?.payload).toEqual(bytes(1, 2, 3))
  for (const { agoMs } of earlier!.pages) {
    expect(agoMs).toBeGreaterThanOrEqual(0)
    expect(agoMs).toBeLessThan(60_000)
  }
})

test('a snapshot is the last for one start only', async () => {
  const store = await open('us/3')
  await store.begin()
  await store.put(0, bytes(1))
  await store.seal(1, { isLast: true })
  expect((await store.begin())?.isLast).toBe(true)
  expect(await store.begin()).toMatchObject({ pages: [{ payload: bytes(1) }], isLast: false })
})

test('pages beyond the count are left out, and a last snapshot that lacks a page is none', async () => {
  const store = await open('us/4')
  await store.begin()
  for (const page of [0, 1, 2]) await store.put(page, bytes(page))
  await store.seal(2, { isLast: true })
  expect((await store.begin())?.pages.map(({ payload }) => payload)).toEqual([bytes(0), bytes(1)])
  await store.seal(4, { isLast: true })
  expect(await store.begin()).toMatchObject({ isLast: false, pages: [{}, {}, {}] })
})

test('contents that can not be read are an earlier life of which nothing is known', async () => {
  const store = await open('us/5')
  await store.begin()
  const kv = await new Kvm(connection).open('openclaw_a_b_us_snapshots')
  for (const damaged of ['', '{', 'null', '{"pages":-1}', '{"pages":1e9,"isLast":true}']) {
    await kv.put('us/5.contents', damaged)
    expect(await store.begin()).toEqual({ pages: [], isLast: false })
  }
})

test('servers without JetStream are told apart', async () => {
  const plain = await startNats({ jetStream: false })
  const other = await connect({ servers: plain.url })
  await expect(openSnapshotStore(other, { cluster: 'test', replica: 'us/0' })).rejects.toThrow(
    NoJetStreamError,
  )
  await other.close()
  await plain.stop()
})

import { connect, type NatsConnection } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually } from '../../test/support/eventually.ts'
import { startNats, type NatsServer } from '../../test/support/nats.ts'
import { claimIdentity, IdentityTakenError, type IdentityLease } from './identity-lease.ts'
import { NoJetStreamError } from './region-bucket.ts'

const ttlMs = 2000
let server: NatsServer
const connections: NatsConnection[] = []
beforeAll(async () => {
  server = await startNats()
})
afterEach(async () => {
  await Promise.all(connections.splice(0).map((connection) => connection.close()))
})
afterAll(() => server.stop())

const open = async (): Promise<NatsConnection> => {
  const connection = await connect({ servers: server.url })
  connections.push(connection)
  return connection
}

const claim = (
  connection: NatsConnection,
  replica: string,
  pid: number,
  onLost = () => {},
): Promise<IdentityLease> => {
  const holder = { host: 'edge-1', pid, since: '2026-01-01T00:00:00.000Z' }
  return claimIdentity(connection, { cluster: 'test', replica, holder, ttlMs, onLost })
}

test('a second process with the same name is refused, and told who has it', async () => {
  const lease = await claim(await open(), 'us-east-1/0', 41)
  const second = claim(await open(), 'us-east-1/0', 42)
  await expect(second).rejects.toThrow(IdentityTakenError)
  await expect(second).rejects.toThrow(
    'replica us-east-1/0 runs already: process 41 on edge-1, since 2026-01-01T00:00:00.000Z',
  )
  await lease.release()
})

test('other names are free, and a name that was given back is free at once', async () => {
  const connection = await open()
  const lease = await claim(connection, 'us-east-1/0', 1)
  const other = await claim(connection, 'us-east-1/1', 2)
  await lease.release()
  const again = await claim(await open(), 'us-east-1/0', 3)
  expect(again).toBeDefined()
  await again.release()
  await other.release()
})

test('the name of a process that was killed is free when its lease has ended', async () => {
  const first = await open()
  const dead = await claim(first, 'eu/0', 1)
  await first.close()
  const heir = await claim(await open(), 'eu/0', 2)
  expect(heir).toBeDefined()
  await heir.release()
  await dead.release()
})

test('who loses its name to another is told', async () => {
  const connection = await open()
  let isLost = false
  const lease = await claim(connection, 'ap/0', 1, () => (isLost = true))
  const { Kvm } = await import('@nats-io/kv')
  const kv = await new Kvm(connection).open('openclaw_test_ap_replicas')
  await kv.put('ap/0', '{"host":"elsewhere","pid":2,"since":""}')
  await eventually(() => expect(isLost).toBe(true))
  await lease.release()
  expect((await kv.get('ap/0'))?.operation).toBe('PUT')
})

test('servers without JetStream are told apart', async () => {
  const plain = await startNats({ jetStream: false })
  const connection = await connect({ servers: plain.url })
  await expect(claim(connection, 'us/0', 1)).rejects.toThrow(NoJetStreamError)
  await connection.close()
  await plain.stop()
})

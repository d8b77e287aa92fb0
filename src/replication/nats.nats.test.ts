import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../../test/support/eventually.ts'
import { freePort } from '../../test/support/free-port.ts'
import { startNats, startNatsRegions, type NatsServer } from '../../test/support/nats.ts'
import { claimIdentity, IdentityTakenError } from './identity-lease.ts'
import { connectNats, type NatsTransport } from './nats.ts'
import { openSnapshotStore } from './snapshot-store.ts'
import { runTransportContract, type TestNetwork } from './transport.contract.ts'
import { regionOf, type ReplicaId } from './transport.ts'

let clusters = 0

/** Replicas on NATS: each at the server of its region. */
function natsNetwork(serverOf: (region: string) => NatsServer): TestNetwork {
  const cluster = `test.${++clusters}`
  const transports: NatsTransport[] = []
  /** Each pair says a word to the other, and waits for it: what was sent before on that way has arrived then. */
  const delivered = async (): Promise<void> => {
    const open = transports.filter((transport) => !transport.connection.isClosed())
    for (const from of open) {
      for (const to of open) {
        if (from === to) continue
        const subject = `mark.${cluster}.${open.indexOf(from)}.${open.indexOf(to)}`
        let arrived = false
        const subscription = to.connection.subscribe(subject, {
          callback: () => {
            arrived = true
          },
        })
        await to.connection.flush()
        await eventually(() => {
          from.connection.publish(subject)
          if (!arrived) throw new Error(`nothing arrives from ${from.self} at ${to.self}`)
        })
        subscription.unsubscribe()
      }
    }
  }
  return {
    connect: async (self) => {
      const transport = await connectNats({ self, cluster, servers: [serverOf(regionOf(self)).url] })
      transports.push(transport)
      await delivered()
      return transport
    },
    delivered,
    close: async () => {
      await Promise.all(transports.map((transport) => transport.close()))
    },
  }
}

describe('one server', () => {
  let server: NatsServer
  beforeAll(async () => {
    server = await startNats()
  })
  afterAll(() => server.stop())
  runTransportContract('NATS, one server', () => Promise.resolve(natsNetwork(() => server)))
})

describe('three regions', () => {
  let servers: Map<string, NatsServer>
  beforeAll(async () => {
    servers = await startNatsRegions(['us', 'eu', 'ap'])
  })
  afterAll(async () => {
    await Promise.all([...servers.values()].map((server) => server.stop()))
  })
  runTransportContract('NATS, three regions joined by gateways', () =>
    Promise.resolve(natsNetwork((region) => servers.get(region) ?? servers.get('us')!)),
  )
})

describe('leaf nodes', () => {
  let hub: NatsServer
  const leaves = new Map<string, NatsServer>()
  beforeAll(async () => {
    const port = await freePort()
    hub = await startNats({
      name: 'hub',
      jetStreamDomain: 'hub',
      more: `leafnodes { listen: "127.0.0.1:${port}" }`,
    })
    for (const region of ['us', 'eu', 'ap']) {
      const more = `leafnodes { remotes: [{ url: "nats://127.0.0.1:${port}" }] }`
      leaves.set(region, await startNats({ name: `leaf-${region}`, jetStream: false, more }))
    }
  })
  afterAll(async () => {
    await Promise.all([hub, ...leaves.values()].map((server) => server.stop()))
  })
  runTransportContract('NATS, a leaf node beside each edge', () =>
    Promise.resolve(natsNetwork((region) => leaves.get(region) ?? leaves.get('us')!)),
  )

  test('names are leased, and snapshots kept, in the JetStream behind the leaf node', async () => {
    const replica = 'us/0'
    const transport = await connectNats({ self: replica, cluster: 'leaf', servers: [leaves.get('us')!.url] })
    const holder = { host: 'edge-1', pid: 1, since: '2026-01-01T00:00:00.000Z' }
    const options = { cluster: 'leaf', replica, domain: 'hub', holder, ttlMs: 2000, onLost: () => {} }
    const lease = await claimIdentity(transport.connection, options)
    const snapshots = await openSnapshotStore(transport.connection, options)
    await snapshots.begin()
    await snapshots.put(0, Buffer.from('page'))
    await snapshots.seal(1, { isLast: true })
    const elsewhere = await connectNats({ self: 'us/1', cluster: 'leaf', servers: [hub.url] })
    await expect(claimIdentity(elsewhere.connection, options)).rejects.toThrow(IdentityTakenError)
    const seen = await openSnapshotStore(elsewhere.connection, options)
    expect((await seen.begin())?.pages).toHaveLength(1)
    await lease.release()
    await Promise.all([transport.close(), elsewhere.close()])
  })
})

describe('a server that goes away', () => {
  let server: NatsServer
  const transports: NatsTransport[] = []
  beforeAll(async () => {
    server = await startNats()
  })
  afterEach(async () => {
    await Promise.all(transports.splice(0).map((transport) => transport.close()))
  })
  afterAll(() => server.stop())

  const connectAs = async (self: ReplicaId, seen: string[] = []): Promise<NatsTransport> => {
    const onStatus = ({ type }: { type: string }): void => void seen.push(type)
    const transport = await connectNats({ self, cluster: 'restart', servers: [server.url], onStatus })
    transports.push(transport)
    return transport
  }

  test('meanwhile messages are dropped and counted, and afterwards they flow again', async () => {
    const seen: string[] = []
    const [us, eu] = [await connectAs('us/0', seen), await connectAs('eu/0')]
    const heard: string[] = []
    eu.receive('buckets', (from, payload) => heard.push(`${from} ${Buffer.from(payload).toString()}`))
    us.broadcast('buckets', Buffer.from('before'))
    await eventually(() => expect(heard).toEqual(['us/0 before']))
    await server.kill()
    await eventually(() => expect(us.isConnected || eu.isConnected).toBe(false))
    us.broadcast('buckets', Buffer.from('meanwhile'))
    expect(us.dropped).toBe(1)
    await server.restart()
    await eventually(() => expect(us.isConnected && eu.isConnected).toBe(true))
    await eventually(() => {
      us.broadcast('buckets', Buffer.from('after'))
      expect(heard).toContain('us/0 after')
    })
    expect(heard).not.toContain('us/0 meanwhile')
    expect(seen).toEqual(expect.arrayContaining(['disconnect', 'reconnect']))
  })

  test('what no server confirms is bounded: more is dropped and counted', async () => {
    const us = await connectAs('us/0')
    for (let n = 0; n < 100; n++) us.broadcast('buckets', new Uint8Array(512 * 1024))
    expect(us.dropped).toBe(100 - 16)
    await us.connection.flush()
    await eventually(() => {
      const { dropped } = us
      us.broadcast('buckets', new Uint8Array(1))
      expect(us.dropped).toBe(dropped)
    })
  })

  test('closing ends even while no server answers', async () => {
    const us = await connectAs('us/0')
    await server.kill()
    await eventually(() => expect(us.isConnected).toBe(false))
    await us.close()
    await server.restart()
  })
})

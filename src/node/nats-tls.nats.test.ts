import { connect } from '@nats-io/transport-node'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { makeAuthority, type CertificateFiles } from '../../test/support/certificates.ts'
import { eventually } from '../../test/support/eventually.ts'
import { startNats, type NatsServer } from '../../test/support/nats.ts'
import { parseConfig } from '../config/load.ts'
import { formatProblems } from '../config/problem.ts'
import type { NatsTransport } from '../replication/nats.ts'
import type { ReplicaId } from '../replication/transport.ts'
import { joinNats } from './nats-node.ts'
import { formatNatsPermissions } from './nats-permissions.ts'
import type { SharedLimits } from './shared-limits.ts'

const cluster = 'mutual'
const replicas: readonly ReplicaId[] = ['us/0', 'eu/0']
let directory: string
let server: NatsServer
let issue: (subject: string) => CertificateFiles
let stranger: CertificateFiles

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openclaw-mutual-'))
  issue = makeAuthority(directory)
  stranger = makeAuthority(directory, 'another')('us-0')
  const { certFile, keyFile, caFile } = issue('nats')
  const users = replicas.map((replica) => {
    const permissions = formatNatsPermissions(
      { name: cluster, nats: null },
      { replica, mayApply: replica === 'us/0' },
    )
    return `{ user: "CN=${replica.replace('/', '-')}", ${permissions} }`
  })
  server = await startNats({
    more: `tls { cert_file: "${certFile}", key_file: "${keyFile}", ca_file: "${caFile}", verify_and_map: true }
authorization { users: [ ${users.join('\n')} ] }`,
  })
})
afterAll(async () => {
  await server.stop()
  await rm(directory, { recursive: true, force: true })
})

/** As a node joins whose configuration names these files. */
async function joinWith(
  replica: ReplicaId,
  files: CertificateFiles,
): Promise<{ transport: NatsTransport; limits: SharedLimits }> {
  const { caFile, certFile, keyFile } = files
  const tls = `{ ca_file: ${caFile}, cert_file: ${certFile}, key_file: ${keyFile} }`
  const result = parseConfig(
    `token_buckets: { us: { capacity: 1, refill_per_sec: 1 } }
cluster: { name: ${cluster}, nats: { servers: ["tls://127.0.0.1:${server.port}"], tls: ${tls} } }`,
    { file: 'f.yaml', env: {} },
  )
  if (!result.ok) throw new Error(formatProblems(result.errors))
  const { transport, snapshots, queue, sharedLimits, reachedStores } = await joinNats({
    cluster: result.config.cluster,
    nats: result.config.cluster.nats!,
    queue: result.config.store.queue,
    replica,
    secret: 'ab',
    logger: pino({ level: 'silent' }),
    onLost: () => {},
  })
  onTestFinished(async () => {
    sharedLimits?.close()
    await transport.close()
  })
  expect([snapshots, queue, sharedLimits]).not.toContain(undefined)
  // What it may do is enough for all that it does.
  await sharedLimits!.history()
  await reachedStores!.add('postgres://db')
  expect(await reachedStores!.has('postgres://db')).toBe(true)
  return { transport, limits: sharedLimits! }
}

/** Connects once, as somebody does who knows the address. */
const knock = (files: Partial<CertificateFiles>): Promise<unknown> =>
  connect({ servers: `tls://127.0.0.1:${server.port}`, tls: files, reconnect: false, timeout: 3000 }).then(
    (connection) => connection.close(),
  )

test('replicas with certificates of the authority join, and nobody does without one', async () => {
  const { transport: us } = await joinWith('us/0', issue('us-0'))
  const { transport: eu } = await joinWith('eu/0', issue('eu-0'))
  const heard: string[] = []
  eu.receive('buckets', (from, payload) => heard.push(`${from} ${Buffer.from(payload).toString()}`))
  await eventually(() => {
    us.broadcast('buckets', Buffer.from('news'))
    expect(heard).toContain('us/0 news')
  })
  const { caFile } = issue('nobody')
  await expect(knock({ caFile })).rejects.toThrow(/./)
  await expect(knock({ ...stranger, caFile })).rejects.toThrow(/./)
  await expect(knock(issue('nobody'))).rejects.toThrow(/authorization/i)
})

test('a node does not talk to a server that its authority has not signed', async () => {
  await expect(knock({ ...issue('us-0'), caFile: stranger.caFile })).rejects.toThrow(/certificate/)
})

test('the server lets a replica speak in its own name only, and listen to what is for it', async () => {
  const { transport: us } = await joinWith('us/0', issue('us-0'))
  const { transport: eu } = await joinWith('eu/0', issue('eu-0'))
  const heard: string[] = []
  us.receive('buckets', (from, payload) => heard.push(`${from} ${Buffer.from(payload).toString()}`))
  const refused: string[] = []
  void (async () => {
    for await (const status of eu.connection.status()) {
      if (status.type === 'error') refused.push(String(status.error))
    }
  })()
  for (const subject of [
    `openclaw.${cluster}.buckets.all.ap%2F0`,
    `openclaw.${cluster}.buckets.to.us%2F0.ap%2F0`,
    `$KV.openclaw_${cluster}_us_replicas.us/0`,
    `$KV.openclaw_${cluster}_eu_snapshots.eu/1.contents`,
    `$KV.openclaw_${cluster}_config.current`,
    `$JS.API.STREAM.DELETE.KV_openclaw_${cluster}_eu_snapshots`,
  ]) {
    eu.connection.publish(subject, 'forged')
  }
  eu.connection.subscribe(`openclaw.${cluster}.buckets.to.us%2F0.*`)
  eu.connection.subscribe('_INBOX.us%2F0.>')
  await eventually(() => {
    eu.broadcast('buckets', Buffer.from('genuine'))
    expect(heard).toContain('eu/0 genuine')
  })
  await eventually(() => expect(refused).toHaveLength(8))
  expect(heard.filter((message) => message.includes('forged'))).toEqual([])
})

test('limits are applied through replicas that may, and taken over by the others', async () => {
  const share = { capacity: 5, refill_per_sec: 1 }
  const change = { document: { token_buckets: { us: share, eu: share } }, by: 'on-call', dryRun: false }
  const { limits: us } = await joinWith('us/0', issue('us-0'))
  const { limits: eu } = await joinWith('eu/0', issue('eu-0'))
  await expect(eu.apply(change)).rejects.toMatchObject({ code: 'limits-unreachable' })
  expect(await us.apply(change)).toMatchObject({ version: { version: 1 }, applied: ['us/0'] })
  await eventually(() => expect(eu.limits?.[0]?.shares).toMatchObject({ eu: { capacity: 5 } }))
})

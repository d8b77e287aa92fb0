import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createAccount,
  createOperator,
  createUser,
  encodeAccount,
  encodeOperator,
  encodeUser,
  fmtCreds,
} from '@nats-io/jwt'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../test/support/eventually.ts'
import { startNats, startNatsLeaves, type NatsServer } from '../../test/support/nats.ts'
import type { NatsConfig } from '../config/edge-config.ts'
import { createLogger } from './logger.ts'
import { joinNats, NatsFileError, type Joined } from './nats-node.ts'
import { formatNatsPermissions } from './nats-permissions.ts'

const plain: Omit<NatsConfig, 'servers'> = {
  credsFile: null,
  nkeySeedFile: null,
  jetStreamDomain: null,
  tls: null,
}
/** An account's limits are 0 unless said otherwise. */
const unlimited = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
}
const servers: NatsServer[] = []
const joined: Joined[] = []

afterEach(async () => {
  await Promise.all(
    joined.splice(0).map(async ({ sharedLimits, transport }) => {
      sharedLimits?.close()
      await transport.close()
    }),
  )
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

async function serverWith(more: string, options: { jetStream?: boolean } = {}): Promise<NatsServer> {
  const server = await startNats({ more, ...options })
  servers.push(server)
  return server
}

async function joinAs(nats: NatsConfig, replica = 'us/0'): Promise<Joined> {
  const one = await joinNats({
    cluster: { name: 'test', hashKey: null, nats },
    nats,
    queue: { maxBytes: 1_048_576, maxMessages: 1000, maxAgeMs: 60_000, replicas: 1 },
    replica,
    secret: 'ab',
    logger: createLogger({ level: 'silent', region: 'us' }),
    onLost: () => {},
  })
  joined.push(one)
  return one
}

const freshDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), 'openclaw-nats-node-'))

async function fileOf(contents: string | Uint8Array): Promise<string> {
  const path = join(await freshDirectory(), 'secret')
  await writeFile(path, contents, { mode: 0o600 })
  return path
}

const seedOf = (pair: { getSeed(): Uint8Array }): string => new TextDecoder().decode(pair.getSeed())

test('an NKey opens the server to its holder only', async () => {
  const user = createUser()
  const server = await serverWith(`authorization { users: [{ nkey: ${user.getPublicKey()} }] }`)
  const nats = { ...plain, servers: [server.url] }
  const { snapshots } = await joinAs({ ...nats, nkeySeedFile: await fileOf(`${seedOf(user)}\n`) })
  expect(snapshots).toBeDefined()
  await expect(joinAs({ ...nats, nkeySeedFile: await fileOf(seedOf(createUser())) })).rejects.toThrow(
    /authorization/i,
  )
  await expect(joinAs(nats)).rejects.toThrow(/authorization/i)
})

test('credentials of an account open the server to its users only', async () => {
  const [operator, account, user] = [createOperator(), createAccount(), createUser()]
  const operatorJwt = await encodeOperator('operator', operator)
  const accountJwt = await encodeAccount('account', account, { limits: unlimited }, { signer: operator })
  const server = await serverWith(
    `operator: ${operatorJwt}\nresolver: MEMORY\nresolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
    { jetStream: false },
  )
  const nats = { ...plain, servers: [server.url] }
  const creds = fmtCreds(await encodeUser('edge', user, account), user)
  const { transport } = await joinAs({ ...nats, credsFile: await fileOf(creds) })
  expect(transport.isConnected).toBe(true)
  const stranger = createUser()
  const forged = fmtCreds(await encodeUser('edge', stranger, createAccount()), stranger)
  await expect(joinAs({ ...nats, credsFile: await fileOf(forged) })).rejects.toThrow(/authorization/i)
})

test('behind leaf nodes, what a replica may do is enough to join, and to apply limits in all regions', async () => {
  const users = new Map(['us', 'eu'].map((region) => [region, createUser()]))
  const nats = await startNatsLeaves([...users.keys()], (region) => {
    const permissions = formatNatsPermissions(
      { name: 'test', nats: { ...plain, servers: [], jetStreamDomain: 'hub' } },
      { replica: `${region}/0`, mayApply: region === 'us' },
    )
    return `authorization { users: [{ nkey: ${users.get(region)!.getPublicKey()}, ${permissions} }] }`
  })
  onTestFinished(() => nats.stop())
  const joinIn = async (region: string): Promise<Joined> => {
    const nkeySeedFile = await fileOf(seedOf(users.get(region)!))
    const leaf = { ...plain, servers: [nats.leaves.get(region)!.url], jetStreamDomain: nats.domain }
    return joinAs({ ...leaf, nkeySeedFile }, `${region}/0`)
  }
  const [us, eu] = [await joinIn('us'), await joinIn('eu')]
  expect([us.snapshots, us.queue, eu.snapshots, eu.queue]).not.toContain(undefined)
  await eventually(() => us.sharedLimits!.history())
  const share = { capacity: 5, refill_per_sec: 1 }
  const change = { document: { token_buckets: { us: share, eu: share } }, by: 'on-call', dryRun: false }
  await expect(eu.sharedLimits!.apply(change)).rejects.toMatchObject({ code: 'limits-unreachable' })
  expect(await us.sharedLimits!.apply(change)).toMatchObject({ version: { version: 1 }, applied: ['us/0'] })
  await eventually(() => expect(eu.sharedLimits!.limits?.[0]?.shares).toMatchObject({ eu: { capacity: 5 } }))
})

test('a file that can not be read is named', async () => {
  await expect(
    joinAs({ ...plain, servers: ['nats://127.0.0.1:1'], credsFile: '/nowhere/creds' }),
  ).rejects.toThrow(new NatsFileError("cluster.nats.creds_file: /nowhere/creds can't be read (ENOENT)"))
})

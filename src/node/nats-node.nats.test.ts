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
import { afterEach, expect, test } from 'vitest'
import { startNats, type NatsServer } from '../../test/support/nats.ts'
import type { NatsConfig } from '../config/edge-config.ts'
import { createLogger } from './logger.ts'
import { joinNats, NatsFileError, type Joined } from './nats-node.ts'

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
  await Promise.all(joined.splice(0).map(({ transport }) => transport.close()))
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

async function serverWith(more: string, options: { jetStream?: boolean } = {}): Promise<NatsServer> {
  const server = await startNats({ more, ...options })
  servers.push(server)
  return server
}

async function joinAs(nats: NatsConfig): Promise<Joined> {
  const one = await joinNats({
    cluster: { name: 'test', hashKey: null, nats },
    nats,
    queue: { maxBytes: 1_048_576, maxMessages: 1000, maxAgeMs: 60_000, replicas: 1 },
    replica: 'us/0',
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

test('a file that can not be read is named', async () => {
  await expect(
    joinAs({ ...plain, servers: ['nats://127.0.0.1:1'], credsFile: '/nowhere/creds' }),
  ).rejects.toThrow(new NatsFileError("cluster.nats.creds_file: /nowhere/creds can't be read (ENOENT)"))
})

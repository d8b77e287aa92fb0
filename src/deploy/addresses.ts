import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { dirname } from 'node:path'
import { z } from 'zod'
import { replaceFile } from './project.ts'
import { layout } from './local/layout.ts'

const port = z.int().min(1).max(65_535)
const regionPorts = z.object({
  /** Of the edge, for its callers. */
  http: port,
  nats: port,
  natsMonitor: port,
  /** Between the NATS servers of regions, and of one region. */
  natsGateway: port,
  natsRoutes: port,
})
const schema = z.object({
  regions: z.record(z.string(), regionPorts),
  postgres: port,
  /** What the replicas hash keys with, unless the environment of a deploy says. */
  hashKey: z.string(),
  postgresPassword: z.string(),
  /** Among the NATS servers. */
  natsPassword: z.string(),
  /** An NKey, by which edges show NATS who they are. */
  natsUser: z.object({ seed: z.string(), publicKey: z.string() }),
})

export type RegionPorts = Readonly<z.infer<typeof regionPorts>>

/** Ports and secrets that stay as they are from deploy to deploy. */
export type Addresses = Readonly<z.infer<typeof schema>>

/** As `openclaw dev` does. */
const firstHttpPort = 8081
const secretBytes = 32

/** Undefined before edges were provisioned. */
export async function readAddresses(projectDir: string): Promise<Addresses | undefined> {
  const file = layout(projectDir).addresses
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const result = schema.safeParse(JSON.parse(text))
  if (result.success) return result.data
  throw new Error(`${file} is damaged: openclaw destroy, and provision again`)
}

/** Gives every region ports that are free now; those that have some keep them. */
export async function assignAddresses(projectDir: string, regions: readonly string[]): Promise<Addresses> {
  const before = await readAddresses(projectDir)
  const taken = new Set(Object.values(before?.regions ?? {}).flatMap((ports) => Object.values(ports)))
  if (before) taken.add(before.postgres)
  const any = (): Promise<number> => freePort(taken)
  const assigned: Record<string, RegionPorts> = { ...before?.regions }
  for (const region of regions) {
    assigned[region] ??= {
      http: await freePort(taken, firstHttpPort),
      nats: await any(),
      natsMonitor: await any(),
      natsGateway: await any(),
      natsRoutes: await any(),
    }
  }
  const addresses: Addresses = {
    regions: assigned,
    postgres: before?.postgres ?? (await any()),
    hashKey: before?.hashKey ?? secret(),
    postgresPassword: before?.postgresPassword ?? secret(),
    natsPassword: before?.natsPassword ?? secret(),
    natsUser: before?.natsUser ?? (await newNatsUser()),
  }
  const file = layout(projectDir).addresses
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await replaceFile(file, `${JSON.stringify(addresses, null, 2)}\n`, 0o600)
  return addresses
}

async function newNatsUser(): Promise<Addresses['natsUser']> {
  // Loaded when it is needed: most commands don't.
  const { nkeys } = await import('@nats-io/transport-node')
  const user = nkeys.createUser()
  return { seed: new TextDecoder().decode(user.getSeed()), publicKey: user.getPublicKey() }
}

function secret(): string {
  return randomBytes(secretBytes).toString('hex')
}

/** A loopback port that is free, from one on; without one, any. It counts as taken from now on. */
async function freePort(taken: Set<number>, from = 0): Promise<number> {
  for (let wanted = from; wanted <= 65_535; wanted++) {
    if (taken.has(wanted)) continue
    const found = await tryPort(wanted)
    if (found === undefined || taken.has(found)) {
      if (from === 0) wanted--
      continue
    }
    taken.add(found)
    return found
  }
  throw new Error('no port is free on this machine')
}

function tryPort(wanted: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(undefined))
    server.listen(wanted, '127.0.0.1', () => {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a server that listens on a port
      const { port: found } = server.address() as AddressInfo
      server.close(() => resolve(found))
    })
  })
}

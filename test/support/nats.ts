import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { findOrInstall, program } from './debian.ts'
import { freePort } from './free-port.ts'

/** A nats-server of its own, on loopback, with its files in a temporary directory. */
export interface NatsServer {
  readonly url: string
  readonly port: number
  /** Ends it as `kill -9` would; `restart` brings it back on the same ports, with the same files. */
  kill(): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface NatsServerOptions {
  readonly name?: string
  readonly port?: number
  readonly jetStream?: boolean
  readonly jetStreamDomain?: string
  /** More of its configuration, as it stands in its file. */
  readonly more?: string
}

export async function startNats(options: NatsServerOptions = {}): Promise<NatsServer> {
  installNats()
  const directory = mkdtempSync(join(tmpdir(), 'openclaw-nats-'))
  mkdirSync(join(directory, 'store'))
  const port = options.port ?? (await freePort())
  const file = join(directory, 'nats.conf')
  const domain = options.jetStreamDomain === undefined ? '' : `, domain: ${options.jetStreamDomain}`
  const lines = [
    `listen: "127.0.0.1:${port}"`,
    `server_name: ${options.name ?? 'test'}`,
    ...(options.jetStream === false
      ? []
      : [`jetstream { store_dir: "${join(directory, 'store')}"${domain} }`]),
    options.more ?? '',
  ]
  writeFileSync(file, lines.join('\n'))
  let child: ChildProcess
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
  }
  const restart = async (): Promise<void> => {
    let output = ''
    child = spawn('nats-server', ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-4000)))
    await eventually(async () => {
      if (child.exitCode !== null) throw new Error(`nats-server ended:\n${output}`)
      await reach(port)
    })
  }
  await restart()
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    kill: () => end('SIGKILL'),
    restart,
    stop: async () => {
      await end('SIGINT')
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** How one region's server reaches another's gateway: at the port given, where a proxy may stand. */
export type GatewayPort = (from: string, to: string, port: number) => number | Promise<number>

/**
 * A server for each region, joined by gateways, with JetStream in each: a majority of them has to run for it. What is kept in a
 * key-value bucket lies in one region.
 */
export async function startNatsRegions(
  regions: readonly string[],
  gatewayPort: GatewayPort = (_from, _to, port) => port,
  { jetStreamDomain, leafPorts }: LeafOptions = {},
): Promise<Map<string, NatsServer>> {
  const ports = new Map<string, number>()
  for (const region of regions) ports.set(region, await freePort())
  const servers = new Map<string, NatsServer>()
  for (const region of regions) {
    const others = await Promise.all(
      regions
        .filter((other) => other !== region)
        .map(async (other) => {
          const port = await gatewayPort(region, other, ports.get(other)!)
          return `{ name: "${other}", urls: ["nats://127.0.0.1:${port}"] }`
        }),
    )
    // Servers tell each other their addresses, and would go round what stands between them: an address where nobody is.
    const gateway = `gateway { name: "${region}", listen: "127.0.0.1:${ports.get(region)}", advertise: "127.0.0.1:1", gateways: [${others.join(', ')}] }`
    const routes = await freePort()
    // JetStream asks for a route where a cluster has a single server, too: to itself.
    const cluster = `cluster { name: "${region}", listen: "127.0.0.1:${routes}", routes: ["nats://127.0.0.1:${routes}"] }`
    const leafPort = leafPorts?.get(region)
    const leafs = leafPort === undefined ? '' : `leafnodes { listen: "127.0.0.1:${leafPort}" }\n${accounts}`
    servers.set(
      region,
      await startNats({
        name: `nats-${region}`,
        ...(jetStreamDomain !== undefined && { jetStreamDomain }),
        more: [cluster, gateway, leafs].join('\n'),
      }),
    )
  }
  return servers
}

/** Gateways and leaf nodes on one server ask for a system account. */
const accounts = `accounts {
  SYS: { users: [{ user: system, password: system }] }
  EDGES: { jetstream: enabled, users: [{ user: edge, password: edge }] }
}
system_account: SYS
no_auth_user: edge`

interface LeafOptions {
  readonly jetStreamDomain?: string
  /** Where each region's server takes leaf nodes. */
  readonly leafPorts?: ReadonlyMap<string, number>
}

/** A leaf node for each region, without JetStream, at that region's server; these are joined by gateways, and their JetStream is one domain. */
export interface NatsLeaves {
  readonly domain: string
  readonly leaves: ReadonlyMap<string, NatsServer>
  stop(): Promise<void>
}

/** `more`: of each leaf node's configuration. */
export async function startNatsLeaves(
  regions: readonly string[],
  more: (region: string) => string = () => '',
): Promise<NatsLeaves> {
  const domain = 'hub'
  const leafPorts = new Map<string, number>()
  for (const region of regions) leafPorts.set(region, await freePort())
  const hubs = await startNatsRegions(regions, undefined, { jetStreamDomain: domain, leafPorts })
  const leaves = new Map<string, NatsServer>()
  for (const [region, port] of leafPorts) {
    const remotes = `leafnodes { remotes: [{ url: "nats://edge:edge@127.0.0.1:${port}" }] }`
    const own = `${remotes}\n${more(region)}`
    leaves.set(region, await startNats({ name: `leaf-${region}`, jetStream: false, more: own }))
  }
  return {
    domain,
    leaves,
    stop: async () => {
      await Promise.all([...leaves.values(), ...hubs.values()].map((server) => server.stop()))
    },
  }
}

function reach(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve()
    }).on('error', reject)
  })
}

/** On Debian the server is installed if it is missing. */
export function installNats(): void {
  findOrInstall('nats-server', ['nats-server'], () => program('nats-server'))
}

import type { RegionPorts } from './addresses.ts'

export interface NatsConfigOptions {
  readonly region: string
  readonly ports: Readonly<Record<string, RegionPorts>>
  readonly storeDir: string
  /** By which the servers of the regions know each other. */
  readonly password: string
}

/**
 * The configuration of a region's NATS server on this machine: joined to the others by gateways, with JetStream, on loopback only.
 * JetStream needs a majority of the servers.
 */
export function natsConfig({ region, ports, storeDir, password }: NatsConfigOptions): string {
  const own = ports[region]
  if (!own) throw new Error(`${region} has no ports`)
  const user = `user: openclaw, password: ${JSON.stringify(password)}`
  const peers = Object.entries(ports)
    .filter(([name]) => name !== region)
    .map(
      ([name, { natsGateway }]) =>
        `    { name: ${JSON.stringify(name)}, urls: ["nats://openclaw:${password}@127.0.0.1:${natsGateway}"] }`,
    )
  return `listen: "127.0.0.1:${own.nats}"
http: "127.0.0.1:${own.natsMonitor}"
server_name: ${JSON.stringify(region)}
max_payload: 1MB
jetstream { store_dir: ${JSON.stringify(storeDir)} }

# JetStream asks for a route where a cluster has a single server, too: to itself.
cluster {
  name: ${JSON.stringify(region)}
  listen: "127.0.0.1:${own.natsRoutes}"
  authorization { ${user} }
  routes: ["nats://openclaw:${password}@127.0.0.1:${own.natsRoutes}"]
}

gateway {
  name: ${JSON.stringify(region)}
  listen: "127.0.0.1:${own.natsGateway}"
  authorization { ${user} }
  gateways: [
${peers.join('\n')}
  ]
}
`
}

export interface NatsConfigOptions {
  readonly region: string
  /** The address to listen on: loopback, or any of a container. */
  readonly host: string
  readonly ports: {
    readonly nats: number
    readonly natsMonitor: number
    readonly natsGateway: number
    readonly natsRoutes: number
  }
  /** `host:port` of the other regions' gateways, by region. */
  readonly gateways: Readonly<Record<string, string>>
  readonly storeDir: string
  /** By which the servers of the regions know each other. */
  readonly password: string
  /** The public NKey of those who may connect; without it anybody who reaches the server may. */
  readonly user?: string
}

/**
 * The configuration of a region's NATS server: joined to the others by gateways, with JetStream, which needs a majority of the servers.
 * A region alone has none to agree with, and no need of a cluster.
 */
export function natsConfig(options: NatsConfigOptions): string {
  const { region, host, ports, gateways, storeDir, password } = options
  const peer = `user: openclaw, password: ${JSON.stringify(password)}`
  const users = options.user === undefined ? '' : `authorization { users: [{ nkey: ${options.user} }] }\n`
  const remotes = Object.entries(gateways).map(
    ([name, address]) =>
      `    { name: ${JSON.stringify(name)}, urls: ["nats://openclaw:${password}@${address}"] }`,
  )
  const joined = `
# JetStream asks for a route where a cluster has a single server, too: to itself.
cluster {
  name: ${JSON.stringify(region)}
  listen: "127.0.0.1:${ports.natsRoutes}"
  authorization { ${peer} }
  routes: ["nats://openclaw:${password}@127.0.0.1:${ports.natsRoutes}"]
}

gateway {
  name: ${JSON.stringify(region)}
  listen: "${host}:${ports.natsGateway}"
  authorization { ${peer} }
  gateways: [
${remotes.join('\n')}
  ]
}
`
  return `listen: "${host}:${ports.nats}"
http: "${host}:${ports.natsMonitor}"
server_name: ${JSON.stringify(region)}
${users}max_payload: 1MB
jetstream { store_dir: ${JSON.stringify(storeDir)} }
${remotes.length > 0 ? joined : ''}`
}

import type { Addresses } from '../addresses.ts'
import { edgeYaml } from '../edge-yaml.ts'
import type { EdgeEnvironment } from '../environment.ts'
import { natsConfig } from '../nats-config.ts'
import type { WantedEdge } from '../project.ts'
import { sizes } from '../sizes.ts'
import { allServePath } from './front-state.ts'

export interface ComposeOptions {
  /** Sets the containers apart from those of other projects. */
  readonly name: string
  readonly addresses: Addresses
  readonly edges: readonly WantedEdge[]
  readonly release: {
    readonly image: string
    /** The configuration, valid. */
    readonly config: string
    /** Of the edges, complete but for the store that compose brings with it. */
    readonly env: EdgeEnvironment
    readonly hasStore: boolean
    readonly hasAuth: boolean
    readonly shutdownTimeoutMs: number
  }
}

export const composeFile = 'compose.yaml'
/** Two an edge, so that one serves while the other is replaced. */
export const ordinals = [0, 1] as const
const images = { nats: 'nats:2.11-alpine', postgres: 'postgres:17-alpine', haproxy: 'haproxy:3.0-alpine' }
const ports = { nats: 4222, natsMonitor: 8222, natsGateway: 7222, natsRoutes: 6222 }
const httpPort = 8080

export function edgeService(region: string, ordinal: number): string {
  return `edge-${region}-${ordinal}`
}

export function natsService(region: string): string {
  return `nats-${region}`
}

export function frontService(region: string): string {
  return `front-${region}`
}

/**
 * What `docker compose` runs: for each region a NATS server, two edges, and HAProxy before them at the region's port on loopback.
 * JSON, which is YAML; the file holds secrets.
 */
export function composeFiles(options: ComposeOptions): ReadonlyMap<string, string> {
  const { name, edges, release, addresses } = options
  const services: Record<string, unknown> = {}
  const volumes: Record<string, unknown> = {}
  const files = new Map<string, string>()
  for (const edge of edges) {
    const { region } = edge
    services[natsService(region)] = natsContainer(region)
    volumes[natsService(region)] = {}
    files.set(`${natsService(region)}.conf`, natsOf(region, options))
    for (const ordinal of ordinals)
      services[edgeService(region, ordinal)] = edgeContainer(edge, ordinal, options)
    files.set(`${region}.yaml`, configOf(region, options))
    services[frontService(region)] = frontContainer(region, addresses)
    files.set(`${frontService(region)}.cfg`, haproxyConfig(region))
  }
  if (!release.hasStore) {
    services['postgres'] = postgresContainer(addresses)
    volumes['postgres'] = {}
  }
  files.set(composeFile, `${JSON.stringify({ name, services, volumes }, null, 2)}\n`)
  return files
}

const hardened = {
  restart: 'unless-stopped',
  read_only: true,
  cap_drop: ['ALL'],
  security_opt: ['no-new-privileges:true'],
}

function healthcheck(test: readonly string[]): Record<string, unknown> {
  return { test, interval: '1s', timeout: '3s', retries: 60 }
}

function natsContainer(region: string): Record<string, unknown> {
  return {
    ...hardened,
    image: images.nats,
    command: ['--config', '/etc/nats.conf'],
    volumes: [`./${natsService(region)}.conf:/etc/nats.conf:ro`, `${natsService(region)}:/data`],
    healthcheck: healthcheck(['CMD', 'wget', '-qO-', `http://127.0.0.1:${ports.natsMonitor}/healthz`]),
  }
}

function natsOf(region: string, { edges, addresses }: ComposeOptions): string {
  const others = edges.filter((edge) => edge.region !== region)
  return natsConfig({
    region,
    host: '0.0.0.0',
    ports,
    gateways: Object.fromEntries(
      others.map((edge) => [edge.region, `${natsService(edge.region)}:${ports.natsGateway}`]),
    ),
    storeDir: '/data',
    password: addresses.natsPassword,
  })
}

function postgresContainer({ postgresPassword }: Addresses): Record<string, unknown> {
  return {
    restart: 'unless-stopped',
    image: images.postgres,
    environment: { POSTGRES_USER: 'rating', POSTGRES_DB: 'rating', POSTGRES_PASSWORD: postgresPassword },
    volumes: ['postgres:/var/lib/postgresql/data'],
    healthcheck: healthcheck(['CMD', 'pg_isready', '-U', 'rating']),
  }
}

function edgeContainer(
  { region, size }: WantedEdge,
  ordinal: number,
  { release, addresses }: ComposeOptions,
): Record<string, unknown> {
  const { cpus, memoryMiB } = sizes[size]
  const store = `postgres://rating:${addresses.postgresPassword}@postgres:5432/rating`
  const env = { ...(release.hasStore ? {} : { RATING_DB_URL: store }), ...release.env }
  const ready = `fetch('http://127.0.0.1:${httpPort}/ready').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))`
  return {
    ...hardened,
    image: release.image,
    command: [
      'serve',
      '--config',
      '/etc/openclaw/config.yaml',
      '--region',
      region,
      '--ordinal',
      `${ordinal}`,
    ],
    environment: Object.fromEntries(
      Object.entries(env).map(([name, value]) => [name, value.replaceAll('$', '$$$$')]),
    ),
    volumes: [`./${region}.yaml:/etc/openclaw/config.yaml:ro`],
    tmpfs: ['/tmp'],
    cpus,
    mem_limit: `${memoryMiB}m`,
    stop_grace_period: `${Math.ceil(release.shutdownTimeoutMs / 1000) + 15}s`,
    healthcheck: healthcheck(['CMD', 'node', '-e', ready]),
  }
}

/** In its container an edge listens to the others; from outside only the front is reached, on loopback. */
function configOf(region: string, { release }: ComposeOptions): string {
  return edgeYaml(release.config, [
    [['http', 'host'], '0.0.0.0'],
    [['http', 'port'], httpPort],
    [['cluster', 'nats'], { servers: [`nats://${natsService(region)}:${ports.nats}`] }],
    ...(release.hasAuth ? [] : [[['auth'], { mode: 'off' }] as const]),
  ])
}

function frontContainer(region: string, addresses: Addresses): Record<string, unknown> {
  return {
    ...hardened,
    image: images.haproxy,
    volumes: [`./${frontService(region)}.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro`],
    ports: [`127.0.0.1:${addresses.regions[region]?.http}:${httpPort}`],
    depends_on: ordinals.map((ordinal) => edgeService(region, ordinal)),
  }
}

/** Requests go to edges that are ready. One that found no connection goes to the other edge: it has reached nobody yet. */
function haproxyConfig(region: string): string {
  const servers = ordinals.map(
    (ordinal) =>
      `  server ${edgeService(region, ordinal)} ${edgeService(region, ordinal)}:${httpPort} check inter 500ms fall 1 rise 1 resolvers docker init-addr none`,
  )
  return `global
  maxconn 10000

defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout queue 15s
  option redispatch 1
  retries 10
  retry-on conn-failure
  option forwardfor

resolvers docker
  nameserver dns 127.0.0.11:53
  hold valid 1s

frontend http
  bind :${httpPort}
  monitor-uri ${allServePath}
  monitor fail if { nbsrv(edges) lt ${ordinals.length} }
  default_backend edges

backend edges
  balance leastconn
  option httpchk GET /ready
${servers.join('\n')}
`
}

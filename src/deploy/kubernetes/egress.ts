import { z } from 'zod'
import type { EdgeConfig } from '../../config/edge-config.ts'
import { isLoopback } from '../../config/hosts.ts'
import type { EdgeEnvironment } from '../environment.ts'

const postgresPort = 5432
/** What `nats-server` takes for a leaf node's remote. */
const natsLeafPort = 7422
const httpPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/** TCP ports that an edge connects to outside of its pod: of the store, of the keys that sign tokens, of the collector of traces. */
export function edgePorts({ store, auth }: EdgeConfig, env: EdgeEnvironment): readonly number[] {
  const databases = [store.url, store.readUrl].flatMap((url) => url?.reveal() ?? [])
  const others = [auth.jwt?.jwksUrl, collectorUrl(env)].flatMap((url) => url ?? [])
  return ascending([
    ...databases.flatMap((url) => postgresPorts(url, env['PGPORT'])),
    ...others.flatMap(webPort),
  ])
}

/** The port of a URL that is valid by `kubernetesSchema`. */
export function leafPort(url: string): number {
  return Number(new URL(url).port) || natsLeafPort
}

/** Adds ports to what the base lets out. A list of none would let out all. */
export function egressPatch(ports: readonly [number, ...number[]]): readonly object[] {
  const value = { ports: ascending(ports).map((port) => ({ protocol: 'TCP', port })) }
  return [{ op: 'add', path: '/spec/egress/-', value }]
}

const patchSchema = z.tuple([
  z.object({ value: z.object({ ports: z.array(z.object({ port: z.number() })) }) }),
])

/** The ports that a patch adds. */
export function patchedPorts(patch: unknown): readonly number[] {
  const [{ value }] = patchSchema.parse(patch)
  return value.ports.map(({ port }) => port)
}

function ascending(ports: readonly number[]): readonly number[] {
  return [...new Set(ports)].toSorted((a, b) => a - b)
}

/** As the driver reads it: each of several hosts has a port of its own, or else that of the first. */
function postgresPorts(url: string, defaultPort: string | undefined): readonly number[] {
  const [, authority = ''] = /^\w+:\/\/([^/?#]*)/.exec(url) ?? []
  const hosts = authority.slice(authority.indexOf('@') + 1).split(',')
  const ports = hosts.map((host) => Number(/:(\d+)$/.exec(host)?.[1]))
  const usual = ports[0] || Number(defaultPort) || postgresPort
  return ports.map((port) => port || usual)
}

/** Where OpenTelemetry's exporter sends traces to, by its own rules; an empty variable counts as not set. */
function collectorUrl(env: EdgeEnvironment): string | undefined {
  if (env['OTEL_SDK_DISABLED'] === 'true') return undefined
  return [env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'], env['OTEL_EXPORTER_OTLP_ENDPOINT']].find((url) =>
    url?.trim(),
  )
}

/** None inside of the pod, which no policy is asked about. */
function webPort(text: string): readonly number[] {
  const url = URL.parse(text)
  if (!url || isLoopback(url.hostname.replace(/^\[(.*)\]$/, '$1'))) return []
  const port = Number(url.port) || httpPorts[url.protocol]
  return port === undefined ? [] : [port]
}

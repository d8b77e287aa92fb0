import { resolve } from 'node:path'
import { removeEdges, writeEdges } from '../deploy/edges-file.ts'
import { keepConfigured, loadConfig, ratingsCapacity } from '../node/configuration.ts'
import { startDevCluster } from '../node/dev-cluster.ts'
import type { Edge, EdgeTotals } from '../node/edge.ts'
import { createLogger } from '../node/logger.ts'
import { tracingSettings } from '../node/tracing-settings.ts'
import { untilStopped } from './until-stopped.ts'

interface DevOptions {
  readonly config: string
  readonly port: number
  readonly dataDir: string
  readonly delay: boolean
}

const totalsIntervalMs = 1000

/** `openclaw dev`: all regions in this process, until Ctrl-C. */
export async function dev(options: DevOptions): Promise<void> {
  const path = resolve(options.config)
  const config = await loadConfig(path, process.env)
  const logger = createLogger({ level: 'warn', region: 'all' })
  const cluster = await startDevCluster({
    config,
    port: options.port,
    dataDir: resolve(options.dataDir),
    delay: options.delay,
    loggerFor: (region) => createLogger({ level: 'warn', region }),
    tracing: tracingSettings(process.env),
  })
  const { isTTY } = process.stdout
  const stopReloading = keepConfigured(
    { path, env: process.env, current: config, logger, onHangUp: !isTTY },
    cluster.edges,
  )
  const projectDir = process.cwd()
  await writeEdges(
    projectDir,
    cluster.edges.map(({ region, url }) => ({ replica: `${region}/0`, url })),
  )
  // A terminal that was closed takes no more output.
  process.stdout.on('error', () => {})
  process.stdout.write(welcome(cluster.edges, { ...options, capacity: ratingsCapacity(config) }))
  const stopTotals = isTTY ? showTotals(cluster.edges) : undefined
  // SIGHUP from a terminal means that it was closed.
  await untilStopped(isTTY ? ['SIGINT', 'SIGTERM', 'SIGHUP'] : ['SIGINT', 'SIGTERM'])
  stopTotals?.()
  process.stdout.write('\nStopping: requests under way are finished, and the last batch is sent …\n')
  stopReloading()
  await removeEdges(projectDir)
  await cluster.close()
}

function welcome(
  edges: readonly Edge[],
  { dataDir, delay, capacity }: DevOptions & { capacity: number },
): string {
  const [first, second = first, last = second] = [edges[0], edges[1], edges.at(-1)]
  if (!first || !second || !last) return ''
  const width = Math.max(...edges.map(({ region }) => region.length))
  const json = "-H 'content-type: application/json'"
  return `
${edges.map(({ region, url }) => `  ${region.padEnd(width)}  ${url}    ${url}/docs`).join('\n')}

Ratings are kept in ${dataDir}. ${delay ? 'Messages between regions take 40 to 110 ms.' : 'Messages between regions arrive at once.'}

Rate in ${first.region}, and read the summary in ${last.region}:
  curl -X POST '${first.url}/rating?user=alice' ${json} -d '{"subject":"tea","score":5}'
  curl ${last.url}/v1/subjects/tea

Spend the whole bucket of bob in ${first.region}; a moment later ${second.region} refuses him:
  curl -X POST ${first.url}/v1/limits/ratings/take ${json} -d '{"key":"bob","cost":${capacity}}'
  curl -i -X POST ${second.url}/v1/limits/ratings/take ${json} -d '{"key":"bob","cost":${Math.ceil(capacity / 2)}}'

Ctrl-C stops.
`
}

/** Renews one line a second with what happened in all regions; answers how to stop. */
function showTotals(edges: readonly Edge[]): () => void {
  let before = sumOf(edges)
  const timer = setInterval(() => {
    const now = sumOf(edges)
    const line = [
      `${now.requests - before.requests} requests/s`,
      `${now.allowed - before.allowed} allowed/s`,
      `${now.refused - before.refused} refused/s`,
      `${now.ratings} ratings stored`,
      now.peersInContact === edges.length * (edges.length - 1)
        ? 'all regions in contact'
        : 'regions out of contact',
    ].join(' │ ')
    before = now
    process.stdout.write(`\r\u001b[K${line.slice(0, process.stdout.columns - 1)}`)
  }, totalsIntervalMs)
  return () => clearInterval(timer)
}

function sumOf(edges: readonly Edge[]): EdgeTotals {
  const totals = edges.map((edge) => edge.totals())
  const sum = (of: keyof EdgeTotals): number => totals.reduce((all, one) => all + one[of], 0)
  return {
    requests: sum('requests'),
    allowed: sum('allowed'),
    refused: sum('refused'),
    ratings: sum('ratings'),
    peersInContact: sum('peersInContact'),
  }
}

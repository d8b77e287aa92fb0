import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { dashboardQueries, pathOf, recordingFile, rulesOf } from './support/observability-files.ts'
import { startPrometheus, type PrometheusSample, type PrometheusServer } from './support/prometheus.ts'
import { regions, Regions } from './support/regions.ts'
import { post } from './support/traffic.ts'

/** The dashboard against a real Prometheus that scrapes three real edges: every query is answered, and no panel is empty. */
const limits = `
token_buckets:
  us: { capacity: 300, refill_per_sec: 50 }
  eu: { capacity: 300, refill_per_sec: 50 }
  ap: { capacity: 300, refill_per_sec: 50 }
`
const queries = dashboardQueries()

let cluster: Regions
let prometheus: PrometheusServer
let directory: string
const over = new AbortController()
let traffic: Promise<unknown>

beforeAll(async () => {
  cluster = await Regions.start(limits)
  directory = await mkdtemp(join(tmpdir(), 'openclaw-dashboard-'))
  prometheus = await startPrometheus(await configure(directory))
  traffic = Promise.all(regions.map((region) => drive(cluster.url(region))))
})

afterAll(async () => {
  over.abort()
  await traffic
  await prometheus?.stop()
  await cluster?.stop()
  await rm(directory, { recursive: true, force: true })
})

/** The product's files, but for how often they ask, and with the edges as targets. */
async function configure(to: string): Promise<string> {
  await cp(pathOf('deploy/observability'), to, { recursive: true })
  const targets = regions.map((region) => ({
    targets: [new URL(cluster.url(region)).host],
    labels: { region, replica: `${region}/0` },
  }))
  await writeFile(join(to, 'targets', 'edges.json'), JSON.stringify(targets))
  const file = join(to, 'prometheus.yml')
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll(/_interval: \d+s/g, '_interval: 1s'))
  return file
}

/** Ratings, reads, a key at its limit, and requests that fail, until it is over. */
async function drive(url: string): Promise<void> {
  for (let turn = 0; !over.signal.aborted; turn++) {
    await Promise.allSettled([
      post(`${url}/rating?user=user${turn % 7}`, { subject: 'tea', score: 1 + (turn % 5) }),
      fetch(`${url}/v1/subjects/tea`),
      fetch(`${url}/v1/subjects/water`),
      // Never in the cache.
      fetch(`${url}/v1/subjects/new${turn}`),
      post(`${url}/v1/limits/ratings/take`, { key: 'busy', cost: 100 }),
      post(`${url}/v1/limits/nope/take`, { key: 'x', cost: 1 }),
    ])
    await setTimeout(50)
  }
}

/** As Grafana would ask, with all regions chosen. */
function ask(expr: string): Promise<readonly PrometheusSample[]> {
  return prometheus.query(expr.replaceAll('$region', '.+').replaceAll('$__rate_interval', '10s'))
}

function numbers(samples: readonly PrometheusSample[]): number[] {
  return samples.map(({ value: [, text] }) => Number(text)).filter((value) => Number.isFinite(value))
}

/** Whether the answer has a series for each region. */
function tellsRegion(expr: string): boolean {
  return /by \([^)]*\bregion\b/.test(expr) || !expr.includes('by (')
}

function regionsIn(samples: readonly PrometheusSample[]): string[] {
  return [...new Set(samples.flatMap(({ metric }) => metric['region'] ?? []))].toSorted()
}

test('Prometheus reaches every edge, and takes the region that the edge names', async () => {
  await eventually(async () => {
    const up = await prometheus.query('up{job="openclaw"} == 1')
    expect(regionsIn(up)).toEqual(regions.toSorted())
    const runs = await prometheus.query('openclaw_build_info')
    expect(regionsIn(runs)).toEqual(regions.toSorted())
    for (const { metric } of runs) expect(metric['replica']).toBe(`${metric['region']}/0`)
    expect(await prometheus.query('{exported_region!=""}')).toEqual([])
  })
})

test.each(queries)('$title: $expr', async ({ expr }) => {
  await eventually(async () => {
    const samples = await ask(expr)
    expect(numbers(samples).length).toBeGreaterThan(0)
    if (tellsRegion(expr)) expect(regionsIn(samples)).toEqual(regions.toSorted())
  })
})

test.each(rulesOf(recordingFile))('$record is recorded in every region', async ({ record }) => {
  await eventually(async () => expect(regionsIn(await ask(record!))).toEqual(regions.toSorted()))
})

test('what happened is what is shown', async () => {
  const least = async (expr: string, value: number): Promise<void> =>
    eventually(async () => expect(Math.min(...numbers(await ask(expr)))).toBeGreaterThan(value))
  await least('sum by (region) (rate(openclaw_requests_total{route="/rating",code="200"}[10s]))', 0)
  await least('sum by (region) (rate(openclaw_decisions_total{outcome="refused"}[10s]))', 0)
  await least('sum by (region) (rate(openclaw_errors_total{code="404"}[10s]))', 0)
  await least('sum by (region) (rate(openclaw_tokens_heard_total[10s]))', 0)
  await least('min by (region) (openclaw_region_in_contact)', 0)
  await least('sum by (region) (rate(openclaw_cache_requests_total{result="hit"}[10s]))', 0)
})

test('a store that is gone is seen, and so is its return', async () => {
  await cluster.postgres.kill()
  const reachable = (): Promise<number[]> => ask('openclaw_store_reachable').then(numbers)
  await eventually(async () => expect(await reachable()).toEqual([0, 0, 0]))
  for (const expr of [
    'sum by (region) (rate(openclaw_errors_total{code="503"}[10s])) > 0',
    'region:openclaw_errors:ratio_rate5m > 0',
    'openclaw_store_outage_queue_depth > 0',
  ])
    await eventually(async () => expect(regionsIn(await ask(expr))).toEqual(regions.toSorted()))
  await cluster.postgres.restart()
  await eventually(async () => expect(await reachable()).toEqual([1, 1, 1]))
  await eventually(async () =>
    expect(numbers(await ask('openclaw_store_outage_queue_depth'))).toEqual([0, 0, 0]),
  )
})

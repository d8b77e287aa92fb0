import { expect, test } from 'vitest'
import { figures } from './figures.testing.ts'
import { Metrics } from './metrics.ts'

async function lines(metrics: Metrics): Promise<string[]> {
  const { body } = await metrics.scrape()
  return body.split('\n').filter((line) => line.startsWith('openclaw_'))
}

test('shows what is kept elsewhere, under the names of the guide', async () => {
  const shown = await lines(new Metrics('us', () => figures))
  expect(shown).toEqual(
    expect.arrayContaining([
      'openclaw_token_capacity{limit="ratings",region="us"} 100',
      'openclaw_tokens_consumed{limit="ratings",region="us"} 60',
      'openclaw_tokens_consumed_total{limit="ratings",region="us"} 1000',
      'openclaw_tokens_heard_total{limit="ratings",region="us"} 400',
      'openclaw_tokens_over_limit_total{limit="ratings",region="us"} 3',
      'openclaw_decisions_total{limit="ratings",outcome="allowed",region="us"} 900',
      'openclaw_decisions_total{limit="ratings",outcome="refused",region="us"} 90',
      'openclaw_decisions_total{limit="ratings",outcome="would_refuse",region="us"} 80',
      'openclaw_decisions_total{limit="ratings",outcome="denied",region="us"} 70',
      'openclaw_limits_version{region="us"} 9',
      'openclaw_address_refusals_total{region="us"} 8',
      'openclaw_bucket_evictions_total{limit="ratings",state="full",region="us"} 5',
      'openclaw_bucket_evictions_total{limit="ratings",state="in_use",region="us"} 2',
      'openclaw_buckets{limit="ratings",region="us"} 7',
      'openclaw_region_in_contact{peer_region="eu",region="us"} 1',
      'openclaw_region_in_contact{peer_region="ap",region="us"} 0',
      'openclaw_peers_in_contact{region="us"} 2',
      'openclaw_replication_lag_seconds{peer="eu/0",region="us"} 0.09',
      'openclaw_replication_lag_seconds{peer="ap/0",region="us"} 9.11',
      'openclaw_unheard_seconds{region="us"} 0.09',
      'openclaw_contact_timeout_seconds{region="us"} 0.6',
      'openclaw_replication_bytes_sent_total{region="us"} 12',
      'openclaw_replication_refused_total{region="us"} 14',
      'openclaw_store_reachable{region="us"} 0',
      'openclaw_store_queue_depth{region="us"} 4',
      'openclaw_store_outage_queue_depth{region="us"} 3',
      'openclaw_cache_requests_total{result="hit",region="us"} 6',
      'openclaw_cache_requests_total{result="miss",region="us"} 7',
    ]),
  )
  expect(shown.find((line) => line.startsWith('openclaw_build_info'))).toMatch(/version="\d+\.\d+\.\d+/)
})

test('reads the figures once a scrape', async () => {
  let reads = 0
  const metrics = new Metrics('us', () => {
    reads++
    return figures
  })
  const before = reads
  await metrics.scrape()
  expect(reads).toBe(before + 1)
})

test('what went away is shown no more', async () => {
  let current = figures
  const metrics = new Metrics('us', () => current)
  await metrics.scrape()
  current = { ...figures, limits: [], peers: [] }
  const shown = await lines(metrics)
  expect(shown.filter((line) => /limit=|peer=/.test(line))).toEqual([])
  expect(shown).toContain('openclaw_unheard_seconds{region="us"} 0')
})

test('requests are counted by route and code, and failures of probes are no errors', async () => {
  const metrics = new Metrics('us', () => figures)
  for (const [route, status] of [
    ['/rating', 200],
    ['/rating', 429],
    ['/rating', 503],
    ['/ready', 503],
  ] as const) {
    metrics.observeRequest({ route, status, durationMs: 3 })
  }
  const shown = await lines(metrics)
  expect(shown).toEqual(
    expect.arrayContaining([
      'openclaw_requests_total{route="/rating",code="429",region="us"} 1',
      'openclaw_requests_total{route="/ready",code="503",region="us"} 1',
      'openclaw_errors_total{code="429",region="us"} 1',
      'openclaw_errors_total{code="500",region="us"} 0',
      'openclaw_errors_total{code="503",region="us"} 1',
      'openclaw_latency_seconds_bucket{le="0.0025",region="us",route="/rating"} 0',
      'openclaw_latency_seconds_bucket{le="0.005",region="us",route="/rating"} 3',
    ]),
  )
})

test('no request is lost or counted twice, however many come between scrapes', async () => {
  const metrics = new Metrics('us', () => figures)
  for (let i = 0; i < 1500; i++) metrics.observeRequest({ route: '/rating', status: 200, durationMs: 3 })
  const once = await lines(metrics)
  expect(once).toContain('openclaw_requests_total{route="/rating",code="200",region="us"} 1500')
  expect(once).toContain('openclaw_latency_seconds_count{region="us",route="/rating"} 1500')
  expect(await lines(metrics)).toEqual(once)
})

test('batches are measured; failed ones are only counted', async () => {
  const metrics = new Metrics('us', () => figures)
  metrics.observeBatch({ size: 40, durationMs: 5, failed: false })
  metrics.observeBatch({ size: 9, durationMs: 900, failed: true })
  expect(await lines(metrics)).toEqual(
    expect.arrayContaining([
      'openclaw_store_batch_size_sum{region="us"} 40',
      'openclaw_store_batch_seconds_count{region="us"} 1',
      'openclaw_store_batch_failures_total{region="us"} 1',
    ]),
  )
})

test('there are no exemplars', async () => {
  const metrics = new Metrics('us', () => figures)
  metrics.observeRequest({ route: '/rating', status: 200, durationMs: 3 })
  const { contentType, body } = await metrics.scrape()
  expect(contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(body.split('\n').filter((line) => / # \{/.test(line))).toEqual([])
})

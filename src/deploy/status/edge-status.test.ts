import { expect, test } from 'vitest'
import { isHealthy, statusOf, unreachable, type EdgeStatus } from './edge-status.ts'
import { parseExposition } from './exposition.ts'

const edge = { replica: 'us-east-1/0', url: 'http://127.0.0.1:8081' }

const metrics = ({ requests = 0, fast = 0, slow = 0, contact = 2 } = {}): string => `
openclaw_requests_total{route="/v1/ratings",code="201"} ${requests}
openclaw_requests_total{route="/metrics",code="200"} 1e6
openclaw_latency_seconds_bucket{route="/v1/ratings",le="0.1"} ${fast}
openclaw_latency_seconds_bucket{route="/v1/ratings",le="0.2"} ${fast + slow}
openclaw_latency_seconds_bucket{route="/v1/ratings",le="+Inf"} ${fast + slow}
openclaw_latency_seconds_bucket{route="/metrics",le="+Inf"} 1e6
openclaw_peers_in_contact ${contact}
openclaw_replication_lag_seconds{peer="eu/0"} 0.05
openclaw_replication_lag_seconds{peer="ap/0"} 0.12
openclaw_buckets{limit="ratings"} 40
openclaw_buckets{limit="search"} 2
openclaw_token_capacity{limit="ratings"} 1000
openclaw_tokens_consumed{limit="ratings"} 900
openclaw_token_capacity{limit="search"} 0
openclaw_tokens_consumed{limit="search"} 0
`

const status = (before: string, now: string, edges = 3): EdgeStatus =>
  statusOf(
    edge,
    [
      { atMs: 1000, ready: true, samples: parseExposition(before) },
      { atMs: 3000, ready: true, samples: parseExposition(now) },
    ],
    edges,
  )

test('rates and the percentile are of the time between the scrapes, without those of monitoring', () => {
  const { requestsPerSec, p95Ms } = status(
    metrics({ requests: 1000, fast: 1000 }),
    metrics({ requests: 1200, fast: 1180, slow: 20 }),
  )
  expect(requestsPerSec).toBe(100)
  // The 190th of 200: the 10th of 20 between 100 and 200 ms.
  expect(p95Ms).toBeCloseTo(150)
})

test('contact, lag, buckets and depletion are those of now', () => {
  expect(status(metrics(), metrics({ contact: 1 }))).toMatchObject({
    state: 'ready',
    peersInContact: 1,
    peers: 2,
    lagMs: 120,
    buckets: 42,
    depletion: 0.9,
    requestsPerSec: 0,
    p95Ms: null,
  })
})

test('a process that was started anew has no negative rate', () => {
  expect(status(metrics({ requests: 1000, fast: 1000 }), metrics({ requests: 10, fast: 10 }))).toMatchObject({
    requestsPerSec: 0,
    p95Ms: null,
  })
})

test('healthy is who hears every edge of the project, even those it never heard of', () => {
  expect(isHealthy(status(metrics(), metrics()))).toBe(true)
  expect(isHealthy(status(metrics(), metrics({ contact: 1 })))).toBe(false)
  expect(isHealthy(status(metrics(), metrics(), 4))).toBe(false)
  expect(isHealthy(unreachable(edge, 'refused'))).toBe(false)
})

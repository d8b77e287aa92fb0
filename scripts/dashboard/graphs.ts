/** A graph; `${r}` of its queries picks the regions chosen, `${w}` is the window of rates that suits its scale. */
export interface Graph {
  readonly title: string
  readonly description: string
  /** Of Grafana's units. */
  readonly unit: string
  readonly queries: readonly Query[]
  /** A line to compare with: where an alert fires. */
  readonly threshold?: number
  readonly max?: number
}

export interface Query {
  readonly expr: string
  readonly legend: string
}

const r = 'region=~"$region"'
const w = '[$__rate_interval]'
const callers = `${r},route!~"/health|/ready|/metrics"`

/** What the dashboard shows, row by row; the first three are those of the guide. */
export const rows: readonly { readonly title: string; readonly graphs: readonly Graph[] }[] = [
  {
    title: 'Requests',
    graphs: [
      {
        title: 'Request Rate',
        description: 'Requests a second by region, without probes.',
        unit: 'reqps',
        queries: [
          { expr: `sum by (region) (rate(openclaw_requests_total{${callers}}${w}))`, legend: '{{region}}' },
        ],
      },
      {
        title: 'Token Consumption',
        description:
          'Tokens taken and not yet refilled, as each region sees them. Two edges of a region both count what they know.',
        unit: 'short',
        queries: [{ expr: `sum by (region) (openclaw_tokens_consumed{${r}})`, legend: '{{region}}' }],
      },
      {
        title: 'Latency (p95)',
        description: 'Of all answers but those to probes.',
        unit: 's',
        threshold: 0.2,
        queries: [
          {
            expr: `histogram_quantile(0.95, sum by (region, le) (rate(openclaw_latency_seconds_bucket{${callers}}${w})))`,
            legend: '{{region}}',
          },
        ],
      },
      {
        title: 'Errors',
        description: 'The part of requests that was answered 5xx, over 5 minutes.',
        unit: 'percentunit',
        threshold: 0.01,
        queries: [{ expr: `region:openclaw_errors:ratio_rate5m{${r}}`, legend: '{{region}}' }],
      },
      {
        title: 'Answers',
        description: 'By status code; 429 is a refusal.',
        unit: 'reqps',
        queries: [
          { expr: `sum by (code) (rate(openclaw_requests_total{${callers}}${w}))`, legend: '{{code}}' },
        ],
      },
      {
        title: 'Latency by Route (p95)',
        description: 'In all regions chosen.',
        unit: 's',
        queries: [
          {
            expr: `histogram_quantile(0.95, sum by (route, le) (rate(openclaw_latency_seconds_bucket{${callers}}${w})))`,
            legend: '{{route}}',
          },
        ],
      },
    ],
  },
  {
    title: 'Limits',
    graphs: [
      {
        title: 'Tokens Left',
        description: 'The part of their tokens that the buckets in use still hold.',
        unit: 'percentunit',
        threshold: 0.1,
        queries: [
          { expr: `region_limit:openclaw_tokens:remaining_ratio{${r}}`, legend: '{{limit}} in {{region}}' },
        ],
      },
      {
        title: 'Tokens Taken',
        description: 'By the callers of each region.',
        unit: 'cps',
        queries: [
          {
            expr: `sum by (region, limit) (rate(openclaw_tokens_consumed_total{${r}}${w}))`,
            legend: '{{limit}} in {{region}}',
          },
        ],
      },
      {
        title: 'Decisions',
        description: 'Takes that were allowed, and refused.',
        unit: 'cps',
        queries: [
          {
            expr: `sum by (limit, outcome) (rate(openclaw_decisions_total{${r}}${w}))`,
            legend: '{{limit}} {{outcome}}',
          },
        ],
      },
      {
        title: 'Over-Admission Risk',
        description:
          'Tokens that other regions have probably taken and that were not heard of yet: so many may be admitted beyond the limit now.',
        unit: 'short',
        queries: [
          {
            expr: `region_limit:openclaw_over_admission:risk_tokens{${r}}`,
            legend: '{{limit}} in {{region}}',
          },
        ],
      },
      {
        title: 'Tokens over the Limit',
        description:
          'Tokens a second found to be beyond the limit when news of them came; each region counts for itself.',
        unit: 'cps',
        queries: [
          {
            expr: `sum by (region, limit) (rate(openclaw_tokens_over_limit_total{${r}}${w}))`,
            legend: '{{limit}} in {{region}}',
          },
        ],
      },
    ],
  },
  {
    title: 'Replication',
    graphs: [
      {
        title: 'Regions in Contact',
        description: '1 while a region exchanges news with the other.',
        unit: 'short',
        max: 1,
        queries: [
          {
            expr: `max by (region, peer_region) (openclaw_region_in_contact{${r}})`,
            legend: '{{region}} with {{peer_region}}',
          },
        ],
      },
      {
        title: 'Replication Lag',
        description: 'How old the newest is that a region knows of a replica.',
        unit: 's',
        queries: [
          {
            expr: `max by (region, peer) (openclaw_replication_lag_seconds{${r}})`,
            legend: '{{peer}} in {{region}}',
          },
        ],
      },
      {
        title: 'Replication Traffic',
        description: 'Of news between replicas.',
        unit: 'Bps',
        queries: [
          {
            expr: `sum by (region) (rate(openclaw_replication_bytes_sent_total{${r}}${w}))`,
            legend: '{{region}} sent',
          },
          {
            expr: `sum by (region) (rate(openclaw_replication_bytes_received_total{${r}}${w}))`,
            legend: '{{region}} received',
          },
        ],
      },
      {
        title: 'News Repaired or Dropped',
        description:
          'Gaps are repaired by asking again; the rest could not be used, or did not fit into a queue.',
        unit: 'cps',
        queries: [
          {
            expr: `sum by (region) (rate(openclaw_replication_gaps_total{${r}}${w}))`,
            legend: '{{region}} gaps',
          },
          {
            expr: `sum by (region) (rate(openclaw_replication_dropped_total{${r}}${w}))`,
            legend: '{{region}} queue full',
          },
          {
            expr: `sum by (region) (rate(openclaw_replication_malformed_total{${r}}${w}) + rate(openclaw_replication_entries_unknown_total{${r}}${w}) + rate(openclaw_replication_refused_total{${r}}${w}))`,
            legend: '{{region}} of no use',
          },
        ],
      },
    ],
  },
  {
    title: 'Buckets',
    graphs: [
      {
        title: 'Buckets',
        description: 'In memory, one for each key seen lately.',
        unit: 'short',
        queries: [
          { expr: `sum by (region, limit) (openclaw_buckets{${r}})`, legend: '{{limit}} in {{region}}' },
        ],
      },
      {
        title: 'Memory of Buckets',
        description: 'Room for growth included.',
        unit: 'bytes',
        queries: [
          {
            expr: `sum by (region, limit) (openclaw_bucket_table_bytes{${r}})`,
            legend: '{{limit}} in {{region}}',
          },
        ],
      },
      {
        title: 'Evictions',
        description:
          'Buckets dropped because the table was full. Those in use owed something, which is forgiven.',
        unit: 'cps',
        queries: [
          {
            expr: `sum by (region, state) (rate(openclaw_bucket_evictions_total{${r}}${w}))`,
            legend: '{{state}} in {{region}}',
          },
        ],
      },
    ],
  },
  {
    title: 'Store',
    graphs: [
      {
        title: 'Store Reachable',
        description: '1 while PostgreSQL answers.',
        unit: 'short',
        max: 1,
        queries: [{ expr: `min by (region) (openclaw_store_reachable{${r}})`, legend: '{{region}}' }],
      },
      {
        title: 'Ratings Waiting',
        description: 'To be committed; and in the durable queue of a region, for when the store is back.',
        unit: 'short',
        queries: [
          { expr: `sum by (region) (openclaw_store_queue_depth{${r}})`, legend: '{{region}}' },
          {
            expr: `max by (region) (openclaw_store_outage_queue_depth{${r}})`,
            legend: '{{region}} durable queue',
          },
        ],
      },
      {
        title: 'Ratings Stored',
        description: 'Committed a second, and batches that failed.',
        unit: 'cps',
        queries: [
          { expr: `sum by (region) (rate(openclaw_ratings_stored_total{${r}}${w}))`, legend: '{{region}}' },
          {
            expr: `sum by (region) (rate(openclaw_store_batch_failures_total{${r}}${w}))`,
            legend: '{{region}} failed batches',
          },
        ],
      },
      {
        title: 'Commit Time (p95)',
        description: 'Of a batch of ratings.',
        unit: 's',
        queries: [
          {
            expr: `histogram_quantile(0.95, sum by (region, le) (rate(openclaw_store_batch_seconds_bucket{${r}}${w})))`,
            legend: '{{region}}',
          },
        ],
      },
      {
        title: 'Ratings a Batch',
        description: 'The mean.',
        unit: 'short',
        queries: [
          {
            expr: `sum by (region) (rate(openclaw_store_batch_size_sum{${r}}${w})) / sum by (region) (rate(openclaw_store_batch_size_count{${r}}${w}))`,
            legend: '{{region}}',
          },
        ],
      },
    ],
  },
  {
    title: 'Cache',
    graphs: [
      {
        title: 'Cache Hits',
        description: 'The part of reads that the cache answered.',
        unit: 'percentunit',
        max: 1,
        queries: [
          {
            expr: `sum by (region) (rate(openclaw_cache_requests_total{${r},result="hit"}${w})) / sum by (region) (rate(openclaw_cache_requests_total{${r}}${w}))`,
            legend: '{{region}}',
          },
        ],
      },
      {
        title: 'Cache Entries',
        description: 'Summaries and ratings in memory.',
        unit: 'short',
        queries: [{ expr: `sum by (region) (openclaw_cache_entries{${r}})`, legend: '{{region}}' }],
      },
    ],
  },
  {
    title: 'Process',
    graphs: [
      {
        title: 'CPU',
        description: 'Cores in use by each edge.',
        unit: 'short',
        queries: [{ expr: `rate(process_cpu_seconds_total{${r}}${w})`, legend: '{{region}} {{instance}}' }],
      },
      {
        title: 'Event Loop Lag (p99)',
        description: 'How late timers of the edge are, batches among them.',
        unit: 's',
        queries: [{ expr: `nodejs_eventloop_lag_p99_seconds{${r}}`, legend: '{{region}} {{instance}}' }],
      },
      {
        title: 'Memory',
        description: 'Resident.',
        unit: 'bytes',
        queries: [{ expr: `process_resident_memory_bytes{${r}}`, legend: '{{region}} {{instance}}' }],
      },
      {
        title: 'Versions',
        description: 'How many edges run which version.',
        unit: 'short',
        queries: [{ expr: `count by (version) (openclaw_build_info{${r}})`, legend: '{{version}}' }],
      },
    ],
  },
]

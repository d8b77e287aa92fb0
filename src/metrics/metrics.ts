import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** Where the figures come from that are kept elsewhere; read at each scrape, so each must be cheap. */
export interface MetricsSources {
  readonly limits: () => readonly LimitFigures[]
  readonly replication: () => ReplicationFigures
  readonly peers: () => readonly PeerFigures[]
  readonly store: () => StoreFigures
}

export interface LimitFigures {
  readonly limit: string
  readonly buckets: number
  readonly tokenCapacity: number
  readonly tokensConsumed: number
  readonly tokensTaken: number
  readonly takesAllowed: number
  readonly takesRefused: number
  readonly evictedFull: number
  readonly evictedInUse: number
  readonly bytes: number
}

export interface ReplicationFigures {
  readonly batchesSent: number
  readonly bytesSent: number
  readonly batchesReceived: number
  readonly bytesReceived: number
  readonly entriesSent: number
  readonly entriesReceived: number
  readonly entriesUnknown: number
  readonly malformed: number
  readonly gaps: number
  readonly transfersStarted: number
  /** Messages dropped by the transport because a queue was full. */
  readonly dropped: number
}

export interface PeerFigures {
  readonly replica: string
  readonly inContact: boolean
  readonly silentMs: number
}

export interface StoreFigures {
  readonly queued: number
  readonly cacheEntries: number
  readonly cacheHits: number
  readonly cacheMisses: number
}

/** A finished HTTP request; `route` is a template, never what the caller sent. */
export interface RequestFigures {
  readonly route: string
  readonly status: number
  readonly durationMs: number
}

const latencyBucketsSeconds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10,
]
const batchSizeBuckets = [1, 2, 5, 10, 25, 50, 100, 200, 350, 500, 1000]

interface RequestSeries {
  readonly count: () => void
  readonly observe: (seconds: number) => void
}

/**
 * The metrics of one edge, by the names of the guide. Every label's values come from the configuration or from the code, so
 * that no caller can make new time series. Each edge has a registry of its own: several may run in one process.
 */
export class Metrics {
  readonly #registry = new Registry()
  readonly #requests: Counter<'route' | 'code'>
  readonly #errors: Counter<'code'>
  readonly #latency: Histogram<'route'>
  readonly #series = new Map<string, Map<number, RequestSeries>>()
  readonly #batchSize: Histogram
  readonly #batchSeconds: Histogram
  readonly #batchFailures: Counter

  constructor(region: string, sources: MetricsSources) {
    this.#registry.setDefaultLabels({ region })
    const registers = [this.#registry]
    this.#requests = new Counter({
      name: 'openclaw_requests_total',
      help: 'HTTP requests finished.',
      labelNames: ['route', 'code'],
      registers,
    })
    this.#errors = new Counter({
      name: 'openclaw_errors_total',
      help: 'HTTP requests answered 4xx or 5xx.',
      labelNames: ['code'],
      registers,
    })
    this.#latency = new Histogram({
      name: 'openclaw_latency_seconds',
      help: 'Time from a request to its answer.',
      labelNames: ['route'],
      buckets: latencyBucketsSeconds,
      registers,
    })
    this.#batchSize = new Histogram({
      name: 'openclaw_store_batch_size',
      help: 'Ratings committed by one statement.',
      buckets: batchSizeBuckets,
      registers,
    })
    this.#batchSeconds = new Histogram({
      name: 'openclaw_store_batch_seconds',
      help: 'Time to commit a batch of ratings.',
      buckets: latencyBucketsSeconds,
      registers,
    })
    this.#batchFailures = new Counter({
      name: 'openclaw_store_batch_failures_total',
      help: 'Batches of ratings that the store did not commit.',
      registers,
    })
    registerLimits(this.#registry, sources.limits)
    registerReplication(this.#registry, sources)
    registerStore(this.#registry, sources.store)
    collectDefaultMetrics({ register: this.#registry })
  }

  observeRequest({ route, status, durationMs }: RequestFigures): void {
    const series = this.#seriesOf(route, status)
    series.count()
    series.observe(durationMs / 1000)
  }

  /** What to count a request in; looked up by its labels once, because that costs more than the counting. */
  #seriesOf(route: string, status: number): RequestSeries {
    const statuses = this.#series.get(route) ?? new Map<number, RequestSeries>()
    this.#series.set(route, statuses)
    let series = statuses.get(status)
    if (!series) {
      const code = String(status)
      const requests = this.#requests.labels(route, code)
      const errors = status >= 400 ? this.#errors.labels(code) : undefined
      const latency = this.#latency.labels(route)
      series = {
        count: () => {
          requests.inc()
          errors?.inc()
        },
        observe: (seconds) => latency.observe(seconds),
      }
      statuses.set(status, series)
    }
    return series
  }

  observeBatch({ size, durationMs, failed }: { size: number; durationMs: number; failed: boolean }): void {
    if (failed) return this.#batchFailures.inc()
    this.#batchSize.observe(size)
    this.#batchSeconds.observe(durationMs / 1000)
  }

  /** The exposition, in the text format of Prometheus. */
  async scrape(): Promise<{ contentType: string; body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() }
  }
}

type Figure<T> = readonly [name: string, help: string, value: (figures: T) => number]

const limitGauges: readonly Figure<LimitFigures>[] = [
  ['openclaw_token_capacity', 'Tokens that the buckets in use hold when full.', (f) => f.tokenCapacity],
  [
    'openclaw_tokens_consumed',
    'Tokens taken from the buckets in use and not yet refilled.',
    (f) => f.tokensConsumed,
  ],
  ['openclaw_buckets', 'Buckets in memory.', (f) => f.buckets],
  ['openclaw_bucket_table_bytes', 'Memory of the bucket tables, room for growth included.', (f) => f.bytes],
]

const replicationCounters: readonly Figure<ReplicationFigures>[] = [
  ['openclaw_replication_batches_sent_total', 'Batches and heartbeats sent.', (f) => f.batchesSent],
  [
    'openclaw_replication_batches_received_total',
    'Batches and heartbeats received.',
    (f) => f.batchesReceived,
  ],
  ['openclaw_replication_bytes_sent_total', 'Bytes sent to other replicas.', (f) => f.bytesSent],
  [
    'openclaw_replication_bytes_received_total',
    'Bytes received from other replicas.',
    (f) => f.bytesReceived,
  ],
  ['openclaw_replication_entries_sent_total', 'Changed buckets sent.', (f) => f.entriesSent],
  ['openclaw_replication_entries_received_total', 'Changed buckets received.', (f) => f.entriesReceived],
  [
    'openclaw_replication_entries_unknown_total',
    'Buckets received of limits unknown here.',
    (f) => f.entriesUnknown,
  ],
  [
    'openclaw_replication_malformed_total',
    'Messages dropped because they could not be read.',
    (f) => f.malformed,
  ],
  ['openclaw_replication_gaps_total', 'Times that batches were found missing.', (f) => f.gaps],
  ['openclaw_replication_transfers_total', 'Transfers of live buckets asked for.', (f) => f.transfersStarted],
  ['openclaw_replication_dropped_total', 'Messages dropped because a queue was full.', (f) => f.dropped],
]

const storeGauges: readonly Figure<StoreFigures>[] = [
  ['openclaw_store_queue_depth', 'Ratings waiting to be committed.', (f) => f.queued],
  ['openclaw_cache_entries', 'Entries of the read-through cache.', (f) => f.cacheEntries],
]

function registerLimits(registry: Registry, figures: MetricsSources['limits']): void {
  for (const [name, help, value] of limitGauges) {
    gauge(registry, { name, help, labelNames: ['limit'] }, (g) => {
      for (const limit of figures()) g.set({ limit: limit.limit }, value(limit))
    })
  }
  counter(
    registry,
    { name: 'openclaw_tokens_consumed_total', help: 'Tokens ever taken here.', labelNames: ['limit'] },
    (c) => {
      for (const { limit, tokensTaken } of figures()) c.inc({ limit }, tokensTaken)
    },
  )
  counter(
    registry,
    { name: 'openclaw_decisions_total', help: 'Takes decided.', labelNames: ['limit', 'decision'] },
    (c) => {
      for (const { limit, takesAllowed, takesRefused } of figures()) {
        c.inc({ limit, decision: 'allowed' }, takesAllowed)
        c.inc({ limit, decision: 'refused' }, takesRefused)
      }
    },
  )
  counter(
    registry,
    {
      name: 'openclaw_bucket_evictions_total',
      help: 'Buckets dropped because the table was full: themselves full, or in use.',
      labelNames: ['limit', 'state'],
    },
    (c) => {
      for (const { limit, evictedFull, evictedInUse } of figures()) {
        c.inc({ limit, state: 'full' }, evictedFull)
        c.inc({ limit, state: 'in_use' }, evictedInUse)
      }
    },
  )
}

function registerReplication(registry: Registry, { replication, peers }: MetricsSources): void {
  for (const [name, help, value] of replicationCounters) {
    counter(registry, { name, help, labelNames: [] }, (c) => c.inc(value(replication())))
  }
  gauge(registry, { name: 'openclaw_peers_in_contact', help: 'Replicas in contact.', labelNames: [] }, (g) =>
    g.set(peers().filter(({ inContact }) => inContact).length),
  )
  gauge(
    registry,
    {
      name: 'openclaw_replication_lag_seconds',
      help: 'Time since a replica was last heard.',
      labelNames: ['peer'],
    },
    (g) => {
      for (const { replica, silentMs } of peers()) g.set({ peer: replica }, silentMs / 1000)
    },
  )
}

function registerStore(registry: Registry, figures: MetricsSources['store']): void {
  for (const [name, help, value] of storeGauges) {
    gauge(registry, { name, help, labelNames: [] }, (g) => g.set(value(figures())))
  }
  counter(
    registry,
    { name: 'openclaw_cache_requests_total', help: 'Reads through the cache.', labelNames: ['result'] },
    (c) => {
      const { cacheHits, cacheMisses } = figures()
      c.inc({ result: 'hit' }, cacheHits)
      c.inc({ result: 'miss' }, cacheMisses)
    },
  )
}

interface Definition {
  readonly name: string
  readonly help: string
  readonly labelNames: string[]
}

/** A gauge that is set anew at each scrape: labels that went away go away here too. */
function gauge(registry: Registry, definition: Definition, set: (gauge: Gauge) => void): void {
  const metric: Gauge = new Gauge({
    ...definition,
    registers: [registry],
    collect: () => {
      metric.reset()
      set(metric)
    },
  })
}

/** A counter whose value is kept elsewhere: set anew at each scrape. */
function counter(registry: Registry, definition: Definition, add: (counter: Counter) => void): void {
  const metric: Counter = new Counter({
    ...definition,
    registers: [registry],
    collect: () => {
      metric.reset()
      add(metric)
    },
  })
}

import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import packageJson from '../../package.json' with { type: 'json' }
import { registerCollected } from './collected.ts'
import type { Figures } from './figures.ts'
import { RequestSeries } from './request-series.ts'

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

/** Routes that machines ask again and again, whatever callers do. */
const probes: ReadonlySet<string> = new Set(['/health', '/ready', '/metrics'])

/**
 * The metrics of one edge, by the names of the guide. Every label's values come from the configuration or from the code, so
 * that no caller can make new time series. Each edge has a registry of its own: several may run in one process.
 */
export class Metrics {
  readonly #registry = new Registry()
  readonly #readFigures: () => Figures
  #figures: Figures
  readonly #requests: Counter<'route' | 'code'>
  readonly #errors: Counter<'code'>
  readonly #latency: Histogram<'route'>
  readonly #series = new Map<string, Map<number, RequestSeries>>()
  readonly #batchSize: Histogram
  readonly #batchSeconds: Histogram
  readonly #batchFailures: Counter

  /** @param figures reads what is kept elsewhere, once a scrape. */
  constructor(region: string, figures: () => Figures) {
    this.#readFigures = figures
    this.#figures = figures()
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
      help: 'HTTP requests answered 4xx or 5xx, but for probes: a 503 of /ready is what was asked for.',
      labelNames: ['code'],
      registers,
    })
    // There from the start, so that the first failures are seen as a rise.
    for (const code of ['500', '503']) this.#errors.labels(code).inc(0)
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
    registerCollected(this.#registry, () => this.#figures)
    new Gauge({
      name: 'openclaw_build_info',
      help: 'The version that runs; always 1.',
      labelNames: ['version'],
      registers,
    }).set({ version: packageJson.version }, 1)
    collectDefaultMetrics({ register: this.#registry })
  }

  observeRequest({ route, status, durationMs }: RequestFigures): void {
    const series = this.#series.get(route)?.get(status) ?? this.#addSeries(route, status)
    series.observe(durationMs / 1000)
  }

  #addSeries(route: string, status: number): RequestSeries {
    const statuses = this.#series.get(route) ?? new Map<number, RequestSeries>()
    this.#series.set(route, statuses)
    const code = String(status)
    const counters = [this.#requests.labels(route, code)]
    if (status >= 400 && !probes.has(route)) counters.push(this.#errors.labels(code))
    const series = new RequestSeries(counters, this.#latency.labels(route))
    statuses.set(status, series)
    return series
  }

  observeBatch({ size, durationMs, failed }: { size: number; durationMs: number; failed: boolean }): void {
    if (failed) return this.#batchFailures.inc()
    this.#batchSize.observe(size)
    this.#batchSeconds.observe(durationMs / 1000)
  }

  /** The exposition, in the text format of Prometheus. */
  async scrape(): Promise<{ contentType: string; body: string }> {
    this.#figures = this.#readFigures()
    for (const statuses of this.#series.values()) for (const series of statuses.values()) series.flush()
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() }
  }
}

import type { Socket } from 'node:net'
import type { EdgeConfig } from '../config/edge-config.ts'
import { createApp, type AppOptions } from '../http/app.ts'
import { startServer } from '../http/server.ts'
import type { Limiter } from '../limiter/limiter.ts'
import type { Key64 } from '../limiter/types.ts'
import { Metrics } from '../metrics/metrics.ts'
import { decodeInvalidation, encodeInvalidation } from '../ratings/invalidation.ts'
import { ChangeNews } from '../ratings/change-news.ts'
import { CircuitBreaker, guarded } from '../ratings/circuit-breaker.ts'
import { StoreUnavailableError } from '../ratings/errors.ts'
import { RatingsService } from '../ratings/ratings-service.ts'
import type { RatingStore } from '../ratings/store.ts'
import type { WriteQueue } from '../ratings/write-queue.ts'
import type { SnapshotStore } from '../replication/snapshot-store.ts'
import { regionOf, type Transport } from '../replication/transport.ts'
import { edgeFigures } from './edge-figures.ts'
import { startGuard } from './guard.ts'
import { startLimits } from './limits-in-force.ts'
import type { Logger } from './logger.ts'
import type { SharedLimits } from './shared-limits.ts'
import type { Tracing } from './tracing.ts'
import type { TracingSettings } from './tracing-settings.ts'

export interface EdgeOptions {
  readonly config: EdgeConfig
  readonly transport: Transport
  /** Stays the caller's: several edges of a process may share it. */
  readonly store: RatingStore
  /** Puts a replica for reads beside the store. */
  readonly withReplica?: (primary: RatingStore) => RatingStore
  /** Where ratings wait while the store is away. */
  readonly queue?: WriteQueue | undefined
  readonly hashKey: Key64
  readonly logger: Logger
  readonly port: number
  /** Requests aren't traced without. */
  readonly tracing?: TracingSettings | undefined
  /** Where the next life of this replica finds what this one knows. */
  readonly snapshots?: SnapshotStore | undefined
  /** The limits that all regions agreed on: they count in place of those of the configuration, once there are any. */
  readonly sharedLimits?: SharedLimits | undefined
  /** Without snapshots: no earlier life of this replica can have leased out its share of a strict limit; see `LimiterOptions`. */
  readonly startsFresh: boolean
}

/** What an edge has done since it started. */
export interface EdgeTotals {
  readonly requests: number
  readonly allowed: number
  readonly refused: number
  readonly ratings: number
  readonly peersInContact: number
}

/** One edge node: limiter, ratings and HTTP, and the timers that drive them. */
export interface Edge {
  readonly region: string
  readonly url: string
  totals(): EdgeTotals
  /** Puts the limits, the credentials and the log level of another configuration in force. If it throws, nothing was changed. */
  reconfigure(config: EdgeConfig): void
  /** Serves a connection that another process accepted. */
  take(connection: Socket): void
  /** Finishes what is under way, sends the last batch, and leaves the network. With `keepIdle` see {@link RunningServer.close}. */
  close(options?: { readonly keepIdle: boolean }): Promise<void>
}

/** How often the store is told to forget what is older than it need be. */
const forgetIntervalMs = 60_000

/** Starts an edge; resolves when it listens. */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const { transport, logger, sharedLimits } = options
  let { config } = options
  const guard = await startGuard(config, { logger, nowMs: () => performance.now() })
  const tracing = await startTracing(options)
  const limits = await startLimits(options)
  const { limiter } = limits
  const batches: { observe: Metrics['observeBatch'] } = { observe: () => {} }
  const drivenRatings = startRatings(options, tracing, (batch) => batches.observe(batch))
  const { ratings, breaker } = drivenRatings
  const metrics = new Metrics(regionOf(transport.self), () =>
    edgeFigures({ config, transport, limiter, ratings, guard, sharedLimits, storeAnswers: !breaker.isOpen }),
  )
  batches.observe = (batch) => metrics.observeBatch(batch)
  let closing = false
  let requests = 0
  const app = createApp({
    limiter,
    ratings,
    ratingsLimit: () => limits.current().find(({ name }) => name === 'ratings'),
    limitsVersions: sharedLimits,
    ...guard.app,
    nowMs: () => performance.now(),
    ready: () => readiness({ closing, store: storeState(breaker, options.queue), limiter, sharedLimits }),
    metrics: () => metrics.scrape(),
    ...requestHooks({ metrics, logger, tracing, onRequest: () => requests++ }),
  })
  const stop = async (): Promise<void> => {
    await drivenRatings.stop()
    await limits.stop()
    await transport.close()
    guard.close()
    await tracing?.close()
  }
  const server = await startServer({
    app,
    ...config.http,
    port: options.port,
    onCertificate: logCertificate(logger),
  }).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return {
    region: regionOf(transport.self),
    url: server.url,
    totals: () => totalsOf(limiter, { requests, ratings: ratings.stats().stored }),
    reconfigure: (next) => {
      const putCredentialsInForce = guard.prepare(next)
      config = next
      limits.reconfigure(next)
      putCredentialsInForce()
      logger.level = next.log.level
    },
    take: (connection) => server.take(connection),
    close: async ({ keepIdle } = { keepIdle: false }) => {
      closing = true
      await server.close({ deadlineMs: config.http.shutdownTimeoutMs, keepIdle })
      await stop()
    },
  }
}

function logCertificate(logger: Logger) {
  return (event: { validTo: string } | { problem: unknown }): void => {
    if ('validTo' in event) logger.info(event, 'the certificate was renewed')
    else logger.error({ err: event.problem }, 'the certificate was not renewed: the one before is still used')
  }
}

/** What is told of requests: counted, logged and traced. */
function requestHooks(parts: {
  metrics: Metrics
  logger: Logger
  tracing: Tracing | undefined
  onRequest: () => void
}): Pick<AppOptions, 'observe' | 'trace' | 'onError'> {
  const { metrics, logger, tracing, onRequest } = parts
  return {
    observe: (request) => {
      onRequest()
      metrics.observeRequest(request)
      if (logger.isLevelEnabled('debug')) logger.debug({ ...request, traceId: tracing?.traceId() }, 'request')
    },
    ...(tracing && { trace: (request, answer) => tracing.request(request, answer) }),
    // That the store is away is told once; as many requests fail then as come.
    onError: (error, requestId) =>
      logger[error instanceof StoreUnavailableError ? 'debug' : 'error'](
        { err: error, requestId, traceId: tracing?.traceId() },
        'a request failed',
      ),
  }
}

/** Loaded only when it is on: OpenTelemetry takes its time and memory. */
async function startTracing({ tracing, transport, logger }: EdgeOptions): Promise<Tracing | undefined> {
  if (!tracing) return undefined
  const { Tracing } = await import('./tracing.ts')
  return new Tracing({ settings: tracing, replica: transport.self, logger })
}

interface DrivenRatings {
  readonly ratings: RatingsService
  readonly breaker: CircuitBreaker
  /** After the last request: commits or queues what was accepted. */
  stop(): Promise<void>
}

function startRatings(
  { config, transport, store, withReplica = (primary) => primary, queue, logger }: EdgeOptions,
  tracing: Tracing | undefined,
  onBatch: (batch: { size: number; durationMs: number; failed: boolean }) => void,
): DrivenRatings {
  const breaker = new CircuitBreaker({
    probe: () => guardedStore.ping(),
    onChange: (isOpen, failure) =>
      isOpen
        ? logger.warn({ err: failure }, 'the store does not answer')
        : logger.info('the store answers again'),
  })
  // What a replica answers says nothing about the primary, so it is no business of the breaker.
  const guardedStore = withReplica(guarded(store, breaker))
  const news = new ChangeNews({
    send: (changes) => transport.broadcast('cache', encodeInvalidation(changes)),
    intervalMs: config.sync.intervalMs,
  })
  const ratings = new RatingsService({
    ...config.store,
    store: tracing?.store(guardedStore) ?? guardedStore,
    onQueued: tracing && ((write) => tracing.queued(write)),
    outage: {
      ...(queue && { queue }),
      storeAnswers: () => !breaker.isOpen,
      // Not whose, nor of what: the log never says that.
      onDropped: (_write, error) =>
        logger.error({ err: error }, 'a queued rating dropped: the store refuses it'),
    },
    onBatch,
    onChanged: (changes) => news.add(changes),
  })
  transport.receive('cache', (_from, payload) => ratings.invalidate(decodeInvalidation(payload) ?? []))
  const timer = setInterval(() => {
    guardedStore
      .forgetBefore(new Date(Date.now() - config.store.idempotencyTtlMs))
      .catch((error: unknown) => logger.warn({ err: error }, 'old idempotency keys are not forgotten yet'))
  }, forgetIntervalMs)
  return {
    ratings,
    breaker,
    stop: async () => {
      await ratings.drain()
      news.stop()
      clearInterval(timer)
      breaker.stop()
    },
  }
}

interface StoreState {
  readonly text: string
  readonly canRate: boolean
}

/** With a queue a node is of use while the store is away: a balancer that took all of them out would make it worse. */
function storeState(breaker: CircuitBreaker, queue: WriteQueue | undefined): StoreState {
  if (!breaker.isOpen) return { text: 'answers', canRate: true }
  if (queue) return { text: 'does not answer; ratings are queued', canRate: true }
  return { text: 'does not answer', canRate: false }
}

function readiness(state: {
  closing: boolean
  store: StoreState
  limiter: Limiter
  sharedLimits: SharedLimits | undefined
}): {
  ready: boolean
  checks: Record<string, string>
} {
  const peers = state.limiter.peers()
  const version = state.sharedLimits?.version ?? 0
  const checks = {
    node: state.closing ? 'stopping' : 'serving',
    limits: version === 0 ? 'of the file' : `version ${version}`,
    store: state.store.text,
    // Out of contact a node still serves, by its own region's share.
    replication: `${peers.filter(({ inContact }) => inContact).length} of ${peers.length} replicas in contact`,
  }
  return { ready: !state.closing && state.store.canRate, checks }
}

function totalsOf(limiter: Limiter, counts: { requests: number; ratings: number }): EdgeTotals {
  const limits = limiter.stats()
  return {
    ...counts,
    allowed: limits.reduce((sum, { takesAllowed }) => sum + takesAllowed, 0),
    refused: limits.reduce((sum, { takesRefused }) => sum + takesRefused, 0),
    peersInContact: limiter.peers().filter(({ inContact }) => inContact).length,
  }
}

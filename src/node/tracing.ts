import {
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { AsyncLocalStorage } from 'node:async_hooks'
import type { TracedRequest } from '../http/app.ts'
import type { RatingStore } from '../ratings/store.ts'
import type { RatingWrite } from '../ratings/types.ts'
import { regionOf } from '../replication/transport.ts'
import type { Logger } from './logger.ts'
import type { TracingSettings } from './tracing-settings.ts'

export interface TracingOptions {
  readonly settings: TracingSettings
  readonly replica: string
  readonly logger: Logger
}

/** Calls by which the node is watched; they come all the time, and say nothing. */
const untracedRoutes = new Set(['/health', '/ready', '/metrics'])
const attributes = {
  method: 'http.request.method',
  route: 'http.route',
  status: 'http.response.status_code',
  batchSize: 'db.operation.batch.size',
}
const propagator = new W3CTraceContextPropagator()
const headerGetter = {
  keys: () => propagator.fields(),
  get: (header: TracedRequest['header'], name: string) => header(name),
}

/**
 * Traces requests, and what the store does for them, by OpenTelemetry: a span for each request, and under it one for each read
 * that the cache lacked and for the group in which a rating was committed. A group's span belongs to the first request of the
 * group, and is linked to the others. Spans never hold who called, nor anything of what was sent.
 */
export class Tracing {
  readonly #provider: TracerProvider
  readonly #tracer: Tracer
  readonly #active = new AsyncLocalStorage<Span>()
  readonly #writers = new WeakMap<RatingWrite, Span>()

  constructor({ settings, replica, logger }: TracingOptions) {
    // What OpenTelemetry has to say of itself, such as that the collector is out of reach.
    const warn = (problem: string): void => logger.warn({ problem }, 'tracing')
    diag.setLogger(
      { error: warn, warn, info: () => {}, debug: () => {}, verbose: () => {} },
      { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
    )
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({
        'service.name': process.env['OTEL_SERVICE_NAME'] || 'openclaw-edge',
        'service.instance.id': replica,
        'cloud.region': regionOf(replica),
      }),
      sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(settings.sampledPart) }),
      spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
    })
    this.#tracer = this.#provider.getTracer('openclaw-edge')
  }

  /** Answers a request in a span under its caller's (W3C Trace Context), and tells the caller of it in `traceresponse`. */
  async request(request: TracedRequest, answer: () => Promise<Response>): Promise<Response> {
    const { method, route, requestId, header } = request
    if (untracedRoutes.has(route)) return answer()
    const span = this.#tracer.startSpan(
      `${method} ${route}`,
      {
        kind: SpanKind.SERVER,
        attributes: {
          [attributes.method]: method,
          [attributes.route]: route,
          'openclaw.request_id': requestId,
        },
      },
      propagator.extract(ROOT_CONTEXT, header, headerGetter),
    )
    try {
      const response = await this.#active.run(span, answer)
      span.setAttribute(attributes.status, response.status)
      if (response.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
      const { traceId, spanId, traceFlags } = span.spanContext()
      response.headers.set('traceresponse', `00-${traceId}-${spanId}-0${traceFlags & 1}`)
      return response
    } finally {
      span.end()
    }
  }

  /** The trace of the request that is being answered here. */
  traceId(): string | undefined {
    return this.#active.getStore()?.spanContext().traceId
  }

  /** Remembers whose a write is, until the group that it is in is committed. */
  queued(write: RatingWrite): void {
    const span = this.#active.getStore()
    if (span?.isRecording()) this.#writers.set(write, span)
  }

  /** The same store, traced where a traced request waits for it. */
  store(store: RatingStore): RatingStore {
    return {
      putMany: (writes) => this.#commit(writes, () => store.putMany(writes)),
      remove: (subject, user) => this.#read('store.remove', () => store.remove(subject, user)),
      find: (...given) => this.#read('store.find', () => store.find(...given)),
      list: (...given) => this.#read('store.list', () => store.list(...given)),
      scores: (...given) => this.#read('store.scores', () => store.scores(...given)),
      forgetBefore: (time) => store.forgetBefore(time),
      ping: () => store.ping(),
      close: () => store.close(),
    }
  }

  /** Sends what waits to be sent, and stops. */
  async close(): Promise<void> {
    await this.#provider.shutdown()
  }

  async #commit<Result>(writes: readonly RatingWrite[], commit: () => Promise<Result>): Promise<Result> {
    const [first, ...others] = writes.flatMap((write) => this.#writers.get(write) ?? [])
    if (!first) return commit()
    const span = this.#tracer.startSpan(
      'store.put_many',
      {
        kind: SpanKind.CLIENT,
        attributes: { [attributes.batchSize]: writes.length },
        links: others.map((other) => ({ context: other.spanContext() })),
      },
      under(first),
    )
    return ended(span, commit)
  }

  #read<Result>(name: string, read: () => Promise<Result>): Promise<Result> {
    const parent = this.#active.getStore()
    if (!parent?.isRecording()) return read()
    return ended(this.#tracer.startSpan(name, { kind: SpanKind.CLIENT }, under(parent)), read)
  }
}

function under(parent: Span): Context {
  return trace.setSpan(ROOT_CONTEXT, parent)
}

async function ended<Result>(span: Span, run: () => Promise<Result>): Promise<Result> {
  try {
    return await run()
  } catch (error) {
    // Without the error: its text may quote what was sent.
    span.setStatus({ code: SpanStatusCode.ERROR })
    throw error
  } finally {
    span.end()
  }
}

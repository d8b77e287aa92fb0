import type { Hono } from 'hono'
import { Limiter } from '../limiter/limiter.ts'
import type { LimitSpec } from '../limiter/types.ts'
import { RatingsService } from '../ratings/ratings-service.ts'
import type { RatingStore } from '../ratings/store.ts'
import { InProcessNetwork } from '../replication/in-process.ts'
import { createApp, type AppOptions, type FinishedRequest } from './app.ts'
import type { AuditEntry } from './audit.ts'
import { trustEverybody } from './auth/authenticator.ts'

const limits: readonly LimitSpec[] = [
  {
    name: 'ratings',
    mode: 'pooled',
    shares: { 'us-east-1': { capacity: 10, refillPerSec: 0.5 } },
    overrides: [],
    bucketsMax: 10_000,
  },
]

/** For tests: the whole app on a real limiter and a real store, with a clock that stands still. */
export interface TestApp {
  readonly app: Hono
  readonly finished: FinishedRequest[]
  readonly errors: unknown[]
  readonly audited: AuditEntry[]
  send(
    method: string,
    path: string,
    more?: { json?: unknown; body?: string | ReadableStream<Uint8Array>; headers?: Record<string, string> },
  ): Promise<Response>
}

export function makeTestApp(store: RatingStore, own: Partial<AppOptions> = {}): TestApp {
  const network = new InProcessNetwork({ delayMs: () => 0, schedule: (deliver) => deliver() })
  const finished: FinishedRequest[] = []
  const errors: unknown[] = []
  const audited: AuditEntry[] = []
  const app = createApp({
    limiter: new Limiter({
      transport: network.connect('us-east-1/0'),
      limits,
      hashKey: { lo: 1, hi: 2 },
      incarnation: 1,
      contactTimeoutMs: 600,
      nowMs: () => 0,
    }),
    ratings: new RatingsService({
      store,
      groupCommit: { maxDelayMs: 1, batchMax: 100, inFlightMax: 2, queueMax: 1000 },
      cache: { maxEntries: 100, maxBytes: 1_000_000, ttlMs: 30_000, staleMs: 30_000, staleIfErrorMs: 60_000 },
      bayesian: { priorMean: 3, priorWeight: 5 },
    }),
    ratingsLimit: () => ({ name: 'ratings', cost: 1 }),
    authenticate: trustEverybody,
    authenticated: false,
    bodyBytesMax: 65_536,
    addressOf: () => '192.0.2.1',
    overTls: false,
    audit: (entry) => audited.push(entry),
    nowMs: () => 0,
    ready: () => ({ ready: true, checks: { store: 'answers' } }),
    metrics: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', body: 'up 1\n' }),
    observe: (request) => finished.push(request),
    onError: (error) => errors.push(error),
    ...own,
  })
  return {
    app,
    finished,
    errors,
    audited,
    send: async (method, path, { json, body, headers = {} } = {}) => {
      const text = json === undefined ? body : JSON.stringify(json)
      const length = typeof text === 'string' ? { 'content-length': String(Buffer.byteLength(text)) } : {}
      const type = text === undefined ? {} : { 'content-type': 'application/json' }
      return app.request(path, {
        method,
        headers: { ...type, ...length, ...headers },
        ...(text !== undefined && { body: text, duplex: 'half' }),
      })
    },
  }
}

import type { Samples } from './exposition.ts'

/** What one scrape of an edge says. */
export interface Scrape {
  /** Monotonic. */
  readonly atMs: number
  readonly ready: boolean
  readonly samples: Samples
}

/** How an edge does. Null where nothing can be said: no request came between two scrapes, or there is no peer. */
export interface EdgeStatus {
  readonly replica: string
  readonly url: string
  /** `unreachable`: it didn't answer, and nothing else is known of it. */
  readonly state: 'ready' | 'not ready' | 'unreachable'
  /** Why it is unreachable. */
  readonly problem: string | null
  readonly peersInContact: number | null
  /** Replicas that it should be in contact with. */
  readonly peers: number | null
  /** Time since the replica longest unheard was heard. */
  readonly lagMs: number | null
  readonly buckets: number | null
  readonly requestsPerSec: number | null
  /** 95th percentile of the time to answer. */
  readonly p95Ms: number | null
  /** Part of the tokens that is taken and not yet refilled, of the limit where it is highest; over the buckets in use. */
  readonly depletion: number | null
}

const unknown = {
  peersInContact: null,
  peers: null,
  lagMs: null,
  buckets: null,
  requestsPerSec: null,
  p95Ms: null,
  depletion: null,
}

/** Routes that monitoring itself calls. */
const serviceRoutes = new Set(['/health', '/ready', '/metrics'])

export function unreachable(edge: { replica: string; url: string }, problem: string): EdgeStatus {
  return { ...edge, state: 'unreachable', problem, ...unknown }
}

/** The status by two scrapes, one after the other. `edges`: how many edges the project has, this one among them. */
export function statusOf(
  edge: { readonly replica: string; readonly url: string },
  [before, now]: readonly [Scrape, Scrape],
  edges: number,
): EdgeStatus {
  const seconds = (now.atMs - before.atMs) / 1000
  const lags = valuesOf(now.samples, 'openclaw_replication_lag_seconds')
  // A metric that starts anew with the process may have fallen.
  const requests = Math.max(0, callersRequests(now.samples) - callersRequests(before.samples))
  const consumed = byLimit(now.samples, 'openclaw_tokens_consumed')
  const depletions = [...byLimit(now.samples, 'openclaw_token_capacity')]
    .filter(([, capacity]) => capacity > 0)
    .map(([limit, capacity]) => (consumed.get(limit) ?? 0) / capacity)
  return {
    ...edge,
    state: now.ready ? 'ready' : 'not ready',
    problem: null,
    peersInContact: sum(valuesOf(now.samples, 'openclaw_peers_in_contact')),
    // One that was never heard has no series here.
    peers: Math.max(lags.length, edges - 1),
    lagMs: lags.length > 0 ? Math.max(...lags) * 1000 : null,
    buckets: sum(valuesOf(now.samples, 'openclaw_buckets')),
    requestsPerSec: seconds > 0 ? requests / seconds : null,
    p95Ms: quantileMs(0.95, before.samples, now.samples),
    depletion: depletions.length > 0 ? Math.max(...depletions) : null,
  }
}

/** Whether nothing has to be done about it: it answers, is ready, and hears every other replica. */
export function isHealthy({ state, peersInContact, peers }: EdgeStatus): boolean {
  return state === 'ready' && (peersInContact ?? 0) >= (peers ?? 0)
}

function callersRequests(samples: Samples): number {
  const requests = samples.get('openclaw_requests_total') ?? []
  return sum(requests.filter(isOfCaller).map(({ value }) => value))
}

function isOfCaller({ labels }: { labels: Readonly<Record<string, string>> }): boolean {
  return !serviceRoutes.has(labels['route'] ?? '')
}

/** A quantile of the requests between two scrapes, interpolated in its histogram bucket as `histogram_quantile` does. */
function quantileMs(quantile: number, before: Samples, now: Samples): number | null {
  const earlier = cumulative(before)
  const counts = [...cumulative(now)]
    .map(([bound, count]) => ({ bound, count: count - (earlier.get(bound) ?? 0) }))
    .toSorted((a, b) => a.bound - b.bound)
  const rank = quantile * (counts.at(-1)?.count ?? 0)
  if (!(rank > 0)) return null
  const at = counts.findIndex(({ count }) => count >= rank)
  const lower = counts[at - 1] ?? { bound: 0, count: 0 }
  const { bound, count } = counts[at]!
  if (bound === Infinity) return lower.bound * 1000
  return (lower.bound + ((bound - lower.bound) * (rank - lower.count)) / (count - lower.count)) * 1000
}

/** Requests by the upper bound of their latency in seconds, those below included. */
function cumulative(samples: Samples): Map<number, number> {
  const counts = new Map<number, number>()
  for (const sample of samples.get('openclaw_latency_seconds_bucket') ?? []) {
    if (!isOfCaller(sample)) continue
    const text = sample.labels['le'] ?? ''
    const bound = text === '+Inf' ? Infinity : Number(text)
    counts.set(bound, (counts.get(bound) ?? 0) + sample.value)
  }
  return counts
}

function byLimit(samples: Samples, name: string): Map<string, number> {
  return new Map((samples.get(name) ?? []).map(({ labels, value }) => [labels['limit'] ?? '', value]))
}

function valuesOf(samples: Samples, name: string): number[] {
  return (samples.get(name) ?? []).map(({ value }) => value)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

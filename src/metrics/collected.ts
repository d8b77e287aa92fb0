import { Counter, Gauge, type Registry } from 'prom-client'
import type { Figures, LimitFigures, PeerFigures } from './figures.ts'

type Sample = readonly [labels: Record<string, string>, value: number]

/** A metric whose values are taken from the figures at each scrape. */
interface Collected {
  readonly name: string
  readonly help: string
  readonly labelNames?: readonly string[]
  readonly samples: (figures: Figures) => readonly Sample[]
}

/** Registers what is kept elsewhere; `figures` are those of the scrape under way. */
export function registerCollected(registry: Registry, figures: () => Figures): void {
  for (const { samples, labelNames = [], ...named } of gauges) {
    const gauge: Gauge = new Gauge({
      ...named,
      labelNames,
      registers: [registry],
      // Set anew at each scrape, so that labels that went away go away here too.
      collect: () => {
        gauge.reset()
        for (const [labels, value] of samples(figures())) gauge.set(labels, value)
      },
    })
  }
  for (const { samples, labelNames = [], ...named } of counters) {
    const counter: Counter = new Counter({
      ...named,
      labelNames,
      registers: [registry],
      collect: () => {
        counter.reset()
        for (const [labels, value] of samples(figures())) counter.inc(labels, value)
      },
    })
  }
}

function one(value: (figures: Figures) => number): Collected['samples'] {
  return (figures) => [[{}, value(figures)]]
}

function perLimit(value: (limit: LimitFigures) => number): Pick<Collected, 'labelNames' | 'samples'> {
  return {
    labelNames: ['limit'],
    samples: ({ limits }) => limits.map((figures) => [{ limit: figures.limit }, value(figures)]),
  }
}

/** A value for each limit and each value of a second label. */
function perLimitAnd(
  label: string,
  values: (limit: LimitFigures) => Readonly<Record<string, number>>,
): Pick<Collected, 'labelNames' | 'samples'> {
  return {
    labelNames: ['limit', label],
    samples: ({ limits }) =>
      limits.flatMap((figures) =>
        Object.entries(values(figures)).map(
          ([of, value]) => [{ limit: figures.limit, [label]: of }, value] as const,
        ),
      ),
  }
}

/** The age of the newest that is known of a replica: when it was last heard, and how long that was under way. */
function lagSeconds({ silentMs, delayMs = 0 }: PeerFigures): number {
  return (silentMs + delayMs) / 1000
}

const gauges: readonly Collected[] = [
  {
    name: 'openclaw_token_capacity',
    help: 'Tokens that the buckets in use hold when full, as known here.',
    ...perLimit((f) => f.tokenCapacity),
  },
  {
    name: 'openclaw_tokens_consumed',
    help: 'Tokens taken from the buckets in use, anywhere as far as known here, and not yet refilled.',
    ...perLimit((f) => f.tokensConsumed),
  },
  { name: 'openclaw_buckets', help: 'Buckets in memory.', ...perLimit((f) => f.buckets) },
  {
    name: 'openclaw_bucket_table_bytes',
    help: 'Memory of the bucket tables, room for growth included.',
    ...perLimit((f) => f.bytes),
  },
  {
    name: 'openclaw_region_in_contact',
    help: 'Whether news is exchanged with another region, so that its share of the limits counts here: 1 or 0.',
    labelNames: ['peer_region'],
    samples: ({ regions }) =>
      regions.map(({ region, inContact }) => [{ peer_region: region }, Number(inContact)]),
  },
  {
    name: 'openclaw_peers_in_contact',
    help: 'Replicas in contact.',
    samples: one(({ peers }) => peers.filter(({ inContact }) => inContact).length),
  },
  {
    name: 'openclaw_replication_lag_seconds',
    help: 'How old the newest that is known of a replica is: the time since it was last heard, and that of a message on its way.',
    labelNames: ['peer'],
    samples: ({ peers }) => peers.map((peer) => [{ peer: peer.replica }, lagSeconds(peer)]),
  },
  {
    name: 'openclaw_unheard_seconds',
    help: 'For how long takes of other replicas are unheard of here: the longest lag of those in contact, 0 if there is none. Times the rate of openclaw_tokens_heard_total it is the over-admission risk: the tokens that may be admitted beyond a limit now.',
    samples: one(({ peers }) => Math.max(0, ...peers.filter(({ inContact }) => inContact).map(lagSeconds))),
  },
  {
    name: 'openclaw_contact_timeout_seconds',
    help: 'How long a replica may be unheard before it is out of contact.',
    samples: one(({ replication }) => replication.contactTimeoutMs / 1000),
  },
  {
    name: 'openclaw_limits_version',
    help: 'Version of the limits in force; 0 for those of the file.',
    samples: one(({ limitsVersion }) => limitsVersion),
  },
  {
    name: 'openclaw_store_reachable',
    help: 'Whether the store answered when it was last asked: 1 or 0.',
    samples: one(({ store }) => Number(store.reachable)),
  },
  {
    name: 'openclaw_store_queue_depth',
    help: 'Ratings waiting to be committed.',
    samples: one(({ store }) => store.queued),
  },
  {
    name: 'openclaw_store_outage_queue_depth',
    help: 'Ratings in the durable queue of the region, for when the store is back.',
    samples: one(({ store }) => store.awaitingStore),
  },
  {
    name: 'openclaw_cache_entries',
    help: 'Entries of the read-through cache.',
    samples: one(({ store }) => store.cacheEntries),
  },
]

const counters: readonly Collected[] = [
  {
    name: 'openclaw_tokens_consumed_total',
    help: 'Tokens ever taken by callers of this replica.',
    ...perLimit((f) => f.tokensTaken),
  },
  {
    name: 'openclaw_tokens_heard_total',
    help: 'Tokens that replicas in contact took, as heard here.',
    ...perLimit((f) => f.tokensHeard),
  },
  {
    name: 'openclaw_tokens_over_limit_total',
    help: "Tokens taken beyond the limit, as found out when others' takes were heard of; each replica counts them for itself.",
    ...perLimit((f) => f.tokensOverLimit),
  },
  {
    name: 'openclaw_decisions_total',
    help: 'Takes decided.',
    ...perLimitAnd('outcome', (f) => ({
      allowed: f.takesAllowed,
      refused: f.takesRefused,
      would_refuse: f.takesShadowed,
      denied: f.takesDenied,
    })),
  },
  {
    name: 'openclaw_bucket_evictions_total',
    help: 'Buckets dropped because the table was full: themselves full, or in use, which forgives what they owe.',
    ...perLimitAnd('state', (f) => ({ full: f.evictedFull, in_use: f.evictedInUse })),
  },
  {
    name: 'openclaw_replication_batches_sent_total',
    help: 'Batches and heartbeats sent.',
    samples: one(({ replication }) => replication.batchesSent),
  },
  {
    name: 'openclaw_replication_batches_received_total',
    help: 'Batches and heartbeats received.',
    samples: one(({ replication }) => replication.batchesReceived),
  },
  {
    name: 'openclaw_replication_bytes_sent_total',
    help: 'Bytes sent to other replicas.',
    samples: one(({ replication }) => replication.bytesSent),
  },
  {
    name: 'openclaw_replication_bytes_received_total',
    help: 'Bytes received from other replicas.',
    samples: one(({ replication }) => replication.bytesReceived),
  },
  {
    name: 'openclaw_replication_entries_sent_total',
    help: 'Changed buckets sent.',
    samples: one(({ replication }) => replication.entriesSent),
  },
  {
    name: 'openclaw_replication_entries_received_total',
    help: 'Changed buckets received.',
    samples: one(({ replication }) => replication.entriesReceived),
  },
  {
    name: 'openclaw_replication_entries_unknown_total',
    help: 'Buckets received of limits unknown here.',
    samples: one(({ replication }) => replication.entriesUnknown),
  },
  {
    name: 'openclaw_replication_malformed_total',
    help: 'Messages dropped because they could not be read.',
    samples: one(({ replication }) => replication.malformed),
  },
  {
    name: 'openclaw_replication_refused_total',
    help: 'Batches dropped because they were of replicas beyond the bound.',
    samples: one(({ replication }) => replication.batchesRefused),
  },
  {
    name: 'openclaw_replication_gaps_total',
    help: 'Times that batches were found missing.',
    samples: one(({ replication }) => replication.gaps),
  },
  {
    name: 'openclaw_replication_transfers_total',
    help: 'Transfers of live buckets asked for.',
    samples: one(({ replication }) => replication.transfersStarted),
  },
  {
    name: 'openclaw_replication_dropped_total',
    help: 'Messages dropped because a queue was full.',
    samples: one(({ replication }) => replication.dropped),
  },
  {
    name: 'openclaw_address_refusals_total',
    help: 'Requests refused because of the address that they came from.',
    samples: one(({ refusedAddresses }) => refusedAddresses),
  },
  {
    name: 'openclaw_ratings_stored_total',
    help: 'Ratings committed by this edge.',
    samples: one(({ store }) => store.stored),
  },
  {
    name: 'openclaw_cache_requests_total',
    help: 'Reads through the cache.',
    labelNames: ['result'],
    samples: ({ store }) => Object.entries(store.cacheReads).map(([result, reads]) => [{ result }, reads]),
  },
]

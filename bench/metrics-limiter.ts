import { CoarseClock } from '../src/limiter/coarse-clock.ts'
import { Limiter } from '../src/limiter/limiter.ts'
import type { Figures } from '../src/metrics/figures.ts'
import { InProcessNetwork } from '../src/replication/in-process.ts'

/** A limiter of one replica, with one pooled limit that refuses nobody. */
export function newLimiter(): { limiter: Limiter; clock: CoarseClock } {
  const clock = new CoarseClock(() => performance.now())
  const network = new InProcessNetwork({ delayMs: () => 0, schedule: setTimeout })
  const limiter = new Limiter({
    transport: network.connect('us-east-1/0'),
    limits: [
      {
        name: 'ratings',
        mode: 'pooled',
        shares: { 'us-east-1': { capacity: 1_000_000_000, refillPerSec: 0.001 } },
        overrides: [],
        bucketsMax: 4_000_000,
      },
    ],
    hashKey: { lo: 1, hi: 2 },
    incarnation: Date.now(),
    contactTimeoutMs: 600,
    nowMs: () => clock.nowMs(),
  })
  return { limiter, clock }
}

/** What an edge's metrics show, with a store that is not there. */
export function figuresOf(limiter: Limiter): Figures {
  return {
    limits: limiter.stats(),
    replication: { ...limiter.replication, contactTimeoutMs: 600, dropped: 0 },
    peers: limiter.peers(),
    regions: [],
    store: {
      reachable: true,
      queued: 0,
      awaitingStore: 0,
      stored: 0,
      cacheEntries: 0,
      cacheReads: { hit: 0, miss: 0 },
    },
    refusedAddresses: 0,
    limitsVersion: 0,
  }
}

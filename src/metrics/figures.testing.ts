import type { Figures } from './figures.ts'

/** For tests: something of everything that an edge may show. */
export const figures: Figures = {
  limits: [
    {
      limit: 'ratings',
      buckets: 7,
      tokenCapacity: 100,
      tokensConsumed: 60,
      tokensTaken: 1000,
      tokensHeard: 400,
      tokensOverLimit: 3,
      takesAllowed: 900,
      takesRefused: 90,
      takesShadowed: 80,
      takesDenied: 70,
      evictedFull: 5,
      evictedInUse: 2,
      bytes: 4096,
    },
  ],
  replication: {
    contactTimeoutMs: 600,
    batchesSent: 11,
    bytesSent: 12,
    batchesReceived: 13,
    batchesRefused: 14,
    bytesReceived: 15,
    entriesSent: 16,
    entriesReceived: 17,
    entriesUnknown: 18,
    malformed: 19,
    gaps: 20,
    transfersStarted: 21,
    dropped: 22,
  },
  peers: [
    { replica: 'eu/0', inContact: true, silentMs: 50, delayMs: 40 },
    { replica: 'ap/0', inContact: false, silentMs: 9000, delayMs: 110 },
    { replica: 'ap/1', inContact: true, silentMs: 20, delayMs: undefined },
  ],
  regions: [
    { region: 'eu', inContact: true },
    { region: 'ap', inContact: false },
  ],
  store: {
    reachable: false,
    queued: 4,
    awaitingStore: 3,
    stored: 31,
    cacheEntries: 5,
    cacheReads: { hit: 6, miss: 7 },
  },
  refusedAddresses: 8,
  limitsVersion: 9,
}

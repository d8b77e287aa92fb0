/** Figures that are kept elsewhere; read once at each scrape, so each must be cheap however much there is. */
export interface Figures {
  readonly limits: readonly LimitFigures[]
  readonly replication: ReplicationFigures
  readonly peers: readonly PeerFigures[]
  readonly regions: readonly RegionFigures[]
  readonly store: StoreFigures
  /** Requests refused because of the address that they came from. */
  readonly refusedAddresses: number
  /** Of the limits that all regions agreed on; 0 while those of the file count. */
  readonly limitsVersion: number
}

export interface LimitFigures {
  readonly limit: string
  readonly buckets: number
  readonly tokenCapacity: number
  readonly tokensConsumed: number
  readonly tokensTaken: number
  readonly tokensHeard: number
  readonly tokensOverLimit: number
  readonly takesAllowed: number
  readonly takesRefused: number
  readonly takesShadowed: number
  readonly takesDenied: number
  readonly evictedFull: number
  readonly evictedInUse: number
  readonly bytes: number
}

export interface ReplicationFigures {
  readonly contactTimeoutMs: number
  readonly batchesSent: number
  readonly bytesSent: number
  readonly batchesReceived: number
  readonly batchesRefused: number
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

/** Another replica. */
export interface PeerFigures {
  readonly replica: string
  readonly inContact: boolean
  readonly silentMs: number
  /** Undefined before the first message that was echoed. */
  readonly delayMs: number | undefined
}

/** Another region that has a share of a limit. */
export interface RegionFigures {
  readonly region: string
  readonly inContact: boolean
}

export interface StoreFigures {
  /** Whether it answered when it was last asked. */
  readonly reachable: boolean
  readonly queued: number
  /** Ratings in the region's durable queue until the store is back. */
  readonly awaitingStore: number
  readonly stored: number
  readonly cacheEntries: number
  /** Reads by how they were answered. */
  readonly cacheReads: Readonly<Record<string, number>>
}

import type { EdgeConfig } from '../config/edge-config.ts'
import type { Limiter } from '../limiter/limiter.ts'
import type { Figures } from '../metrics/figures.ts'
import type { RatingsService } from '../ratings/ratings-service.ts'
import { regionOf, type Transport } from '../replication/transport.ts'
import type { Guard } from './guard.ts'
import type { SharedLimits } from './shared-limits.ts'

/** A replica unheard for this long is gone for good, as far as metrics go; that its region is out of contact is told all the same. */
const goneMs = 600_000

export interface EdgeParts {
  readonly config: EdgeConfig
  readonly transport: Transport
  readonly limiter: Limiter
  readonly ratings: RatingsService
  readonly guard: Guard
  readonly sharedLimits: SharedLimits | undefined
  readonly storeAnswers: boolean
}

/** What the metrics of an edge show that its parts keep. */
export function edgeFigures(parts: EdgeParts): Figures {
  const { config, transport, limiter, ratings, guard, sharedLimits, storeAnswers } = parts
  const inContact = limiter.regionsInContact
  const own = regionOf(transport.self)
  return {
    limits: limiter.stats(),
    replication: {
      ...limiter.replication,
      contactTimeoutMs: config.sync.contactTimeoutMs,
      dropped: transport.dropped,
    },
    peers: limiter.peers().filter(({ silentMs }) => silentMs < goneMs),
    regions: config.regions
      .filter((region) => region !== own)
      .map((region) => ({ region, inContact: inContact.has(region) })),
    store: { ...ratings.stats(), reachable: storeAnswers },
    refusedAddresses: guard.refusedAddresses(),
    limitsVersion: sharedLimits?.version ?? 0,
  }
}

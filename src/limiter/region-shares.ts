import { Buckets } from '../bucket/buckets.ts'
import { PooledBuckets } from '../bucket/pooled-buckets.ts'
import type { PeerStatus } from '../replication/replication-status.ts'
import { regionOf } from '../replication/transport.ts'
import type { Policy } from './policy.ts'
import type { Share, Shares } from './types.ts'

export interface RegionSharesOptions {
  /** This replica's own: always in contact. */
  readonly region: string
  readonly contactTimeoutMs: number
  readonly policies: () => Iterable<Policy>
}

/** In contact time-outs: how long a region may be silent until what it refills is held back. */
const holdTimeouts = 1 / 3

/** Whose shares count: those of the regions in contact. When that changes, what buckets hold, refill and owe changes with it. */
export class RegionShares {
  readonly #options: RegionSharesOptions
  #contact: ReadonlySet<string>
  /** When regions left contact. */
  readonly #awaySinceMs = new Map<string, number>()
  /** Since when what regions in contact refill is held back, because they are silent. */
  readonly #heldSinceMs = new Map<string, number>()

  constructor(options: RegionSharesOptions) {
    this.#options = options
    this.#contact = new Set([options.region])
  }

  get contact(): ReadonlySet<string> {
    return this.#contact
  }

  /** From now on these regions count. `restored`: what is owed comes from a snapshot, and the others may know of it. */
  setContact(regions: ReadonlySet<string>, nowMs: number, { restored } = { restored: false }): void {
    for (const { buckets, shares } of this.#options.policies()) {
      if (buckets instanceof PooledBuckets) this.#moveDebt({ buckets, shares }, regions, { nowMs, restored })
    }
    for (const region of this.#contact.difference(regions)) this.#awaySinceMs.set(region, nowMs)
    for (const region of regions) this.#awaySinceMs.delete(region)
    for (const region of this.#heldSinceMs.keys()) if (!regions.has(region)) this.#heldSinceMs.delete(region)
    this.#contact = regions
    this.apply(nowMs)
  }

  /** Lets every bucket hold and refill what counts now. */
  apply(nowMs: number): void {
    for (const { mode, buckets, shares } of this.#options.policies()) {
      if (!(buckets instanceof Buckets)) continue
      const regions = mode === 'local' ? [this.#options.region] : [...this.#contact]
      const refilling = regions.filter((region) => !this.#heldSinceMs.has(region))
      const { capacity } = shareOf(shares, regions)
      buckets.setShare({ capacity, refillPerSec: shareOf(shares, refilling).refillPerSec }, nowMs)
    }
  }

  /**
   * A region that is silent may be out of contact already, and then it refills its own share for itself. So its part of the refill
   * waits here until it is heard, or has left: or else both sides would refill it until the time-out. To be called once a batch
   * interval.
   */
  holdRefill(peers: readonly PeerStatus[], nowMs: number): void {
    const silentMs = silentMsByRegion(peers)
    for (const region of this.#contact) {
      if (region === this.#options.region) continue
      const isSilent = (silentMs.get(region) ?? 0) > holdTimeouts * this.#options.contactTimeoutMs
      const sinceMs = this.#heldSinceMs.get(region)
      if (isSilent === (sinceMs !== undefined)) continue
      if (sinceMs === undefined) this.#heldSinceMs.set(region, nowMs)
      else this.#release(region, nowMs - sinceMs)
      this.apply(nowMs)
    }
  }

  #release(region: string, heldMs: number): void {
    this.#heldSinceMs.delete(region)
    for (const { buckets, shares } of this.#options.policies()) {
      if (buckets instanceof PooledBuckets)
        buckets.refill((shareOf(shares, [region]).refillPerSec * heldMs) / 1000)
    }
  }

  /** What regions owe goes with them when they leave contact, and comes back with them. */
  #moveDebt(
    { buckets, shares }: { buckets: PooledBuckets; shares: Shares },
    regions: ReadonlySet<string>,
    { nowMs, restored }: { nowMs: number; restored: boolean },
  ): void {
    buckets.park(shareOf(shares, this.#contact.difference(regions)), nowMs, { restored })
    // Nothing is parked for regions that were never heard.
    let absent = shareOf(shares, this.#awaySinceMs.keys()).capacity
    for (const region of regions.difference(this.#contact)) {
      const share = shareOfRegion(shares, region)
      const sinceMs = this.#awaySinceMs.get(region)
      if (!share || sinceMs === undefined) continue
      buckets.unpark(share, nowMs - sinceMs, { absent, nowMs })
      absent -= share.capacity
    }
  }
}

/** How long each region has been silent: that of its replicas that was heard last. */
function silentMsByRegion(peers: readonly PeerStatus[]): Map<string, number> {
  const byRegion = new Map<string, number>()
  for (const { replica, silentMs } of peers) {
    const region = regionOf(replica)
    byRegion.set(region, Math.min(silentMs, byRegion.get(region) ?? Number.POSITIVE_INFINITY))
  }
  return byRegion
}

/** What some regions bring to a limit together. */
function shareOf(shares: Shares, regions: Iterable<string>): Share {
  return sumOf([...regions].flatMap((region) => shareOfRegion(shares, region) ?? []))
}

/** A region's name comes from the network, and `constructor` is one like any other. */
export function shareOfRegion(shares: Shares, region: string): Share | undefined {
  return Object.hasOwn(shares, region) ? shares[region] : undefined
}

export function sumOf(shares: readonly Share[]): Share {
  return {
    capacity: shares.reduce((sum, share) => sum + share.capacity, 0),
    refillPerSec: shares.reduce((sum, share) => sum + share.refillPerSec, 0),
  }
}

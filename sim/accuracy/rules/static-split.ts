import type { Rule } from '../rule.ts'
import { bucketPerKey } from './token-bucket.ts'

/**
 * Each region has an equal, fixed share of capacity and refill. Never over the limit, and what a quiet region doesn't use is lost.
 *
 * Models the usual advice to divide a limit by the number of instances. No project's code in particular.
 *
 * Parameters: none; a share is 1/n of the world's limit. A share below one token admits nothing. Sends nothing.
 * Left out: shares weighted by the expected traffic.
 */
export const staticSplit: Rule = {
  name: 'static split',
  start(world) {
    const regions = world.regions.length
    const share = { capacity: world.capacity / regions, refillPerSec: world.refillPerSec / regions }
    const takeAt = new Map(world.regions.map((region) => [region, bucketPerKey(share)]))
    return {
      take: (region, key, decide) => decide(takeAt.get(region)!(key, world.nowMs)),
    }
  },
}

import type { Rule } from '../rule.ts'
import { bucketPerKey } from './token-bucket.ts'

/**
 * A limiter in each region that knows nothing of the others: each holds the whole limit, so n regions admit up to n times it.
 *
 * Models what one gets from any in-process limiter, or a store in each region, without replication (for example
 * rate-limiter-flexible's `RateLimiterMemory`, or Envoy's local rate limit filter). No project's code in particular.
 *
 * Parameters: none; capacity and refill are the world's, in every region. Sends nothing.
 * Left out: nothing.
 */
export const everyRegionAlone: Rule = {
  name: 'every region alone',
  start(world) {
    const takeAt = new Map(world.regions.map((region) => [region, bucketPerKey(world)]))
    return {
      take: (region, key, decide) => decide(takeAt.get(region)!(key, world.nowMs)),
    }
  },
}

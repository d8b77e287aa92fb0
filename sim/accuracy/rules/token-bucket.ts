/** A token bucket as a level and the time it was right; refilled when it is next asked. */
export interface TokenBucket {
  readonly tokens: number
  readonly atMs: number
}

export interface Limit {
  readonly capacity: number
  readonly refillPerSec: number
}

/** Sums of fractions of a token end a little below the whole one that they mean. */
const ROUNDING = 1e-9

/** Takes one token if there is one. A bucket that doesn't exist yet is full. */
export function tryTake(
  bucket: TokenBucket | undefined,
  limit: Limit,
  nowMs: number,
): { allowed: boolean; bucket: TokenBucket } {
  const refilled =
    bucket === undefined ? Infinity : bucket.tokens + ((nowMs - bucket.atMs) * limit.refillPerSec) / 1_000
  const tokens = Math.min(limit.capacity, refilled)
  const allowed = tokens >= 1 - ROUNDING
  return { allowed, bucket: { tokens: allowed ? Math.max(0, tokens - 1) : tokens, atMs: nowMs } }
}

/** One bucket a key, all under the same limit. */
export function bucketPerKey(limit: Limit): (key: string, nowMs: number) => boolean {
  const buckets = new Map<string, TokenBucket>()
  return (key, nowMs) => {
    const { allowed, bucket } = tryTake(buckets.get(key), limit, nowMs)
    buckets.set(key, bucket)
    return allowed
  }
}

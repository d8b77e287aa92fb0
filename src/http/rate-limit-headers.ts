import type { BucketState } from '../limiter/types.ts'

const policies = new WeakMap<object, string>()

/** Of an answer that the limit would have refused, if it were not in shadow mode. */
const shadowHeader = { 'openclaw-shadow': 'would-refuse' }

/**
 * `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers-10: structured fields (RFC 9651). Quota `q` is the
 * capacity, window `w` the seconds in which an empty bucket fills, `r` what is left, `t` the seconds until it is full.
 */
export function rateLimitHeaders(
  state: BucketState & { readonly wouldRefuse?: boolean },
): Record<string, string> {
  const { share } = state
  let policy = policies.get(share)
  if (policy === undefined) {
    const window = share.refillPerSec > 0 ? `;w=${Math.ceil(share.capacity / share.refillPerSec)}` : ''
    policy = `"${share.limit}";q=${share.capacity}${window}`
    policies.set(share, policy)
  }
  return {
    'ratelimit-policy': policy,
    ...(state.wouldRefuse && shadowHeader),
    ratelimit: `"${share.limit}";r=${state.remaining};t=${Math.ceil(state.resetMs / 1000)}`,
  }
}

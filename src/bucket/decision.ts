/** What a bucket holds when it is full, and how it refills; the same object until it changes. */
export interface BucketShare {
  readonly limit: string
  /** Tokens of a full bucket now: the shares of the regions in contact, summed. */
  readonly capacity: number
  readonly refillPerSec: number
}

/** Sums of floats are a little off; a take that is short by less than this is allowed. */
export const roundingTokens = 1e-6
/** When to ask again where waiting alone doesn't help: what is asked for takes the shares of regions that are out of contact. */
const outOfContactMs = 60_000

/** How a bucket stands, as this replica knows it, and what came of a take. Derived when read: callers read one or two properties. */
export class Decision {
  readonly share: BucketShare
  /** Tokens taken and not yet refilled; may pass the capacity after takes in several regions at once. */
  readonly debt: number
  /** Tokens asked for; 0 where nothing was. */
  readonly cost: number
  readonly allowed: boolean

  constructor(share: BucketShare, debt: number, cost: number, allowed: boolean) {
    this.share = share
    this.debt = debt
    this.cost = cost
    this.allowed = allowed
  }

  get limit(): string {
    return this.share.limit
  }

  /** Tokens of a full bucket at that moment. */
  get capacity(): number {
    return this.share.capacity
  }

  get refillPerSec(): number {
    return this.share.refillPerSec
  }

  /** Whole tokens left. */
  get remaining(): number {
    return Math.max(0, Math.floor(this.share.capacity - this.debt + roundingTokens))
  }

  /** Milliseconds until the bucket is full again if nothing more is taken. */
  get resetMs(): number {
    return refillMs(this.share, this.debt)
  }

  /** Whether it is allowed only because its limit refuses nobody. */
  get wouldRefuse(): boolean {
    return false
  }

  /** Milliseconds until the same take would be allowed if nothing more is taken; 0 when allowed, a minute when no wait suffices. */
  get retryAfterMs(): number {
    if (this.allowed) return 0
    if (this.cost > this.share.capacity) return outOfContactMs
    return refillMs(this.share, this.debt + this.cost - this.share.capacity)
  }
}

/** A refusal that is let through: of a limit in shadow mode. Nothing was taken. */
export class ShadowDecision extends Decision {
  constructor({ share, debt }: BucketState, cost: number) {
    super(share, debt, cost, true)
  }

  override get wouldRefuse(): boolean {
    return true
  }
}

/** The part of a decision that says how the bucket stands. */
export type BucketState = Omit<Decision, 'cost' | 'allowed' | 'retryAfterMs' | 'wouldRefuse'>

/** Milliseconds in which so many tokens refill. */
function refillMs({ refillPerSec }: BucketShare, tokens: number): number {
  if (tokens <= 0) return 0
  return refillPerSec > 0 ? (tokens / refillPerSec) * 1000 : outOfContactMs
}

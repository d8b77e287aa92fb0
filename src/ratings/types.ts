/** One rating of one subject by one user; sending again replaces it. */
export interface Rating {
  readonly subject: string
  readonly user: string
  /** 1 to 5. */
  readonly score: number
  /** Up to 2,000 characters. */
  readonly comment: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface RatingWrite extends Pick<Rating, 'subject' | 'user' | 'score' | 'comment'> {
  /** By which its sender repeats a request, and the same request only; his own, 1 to 255 characters. */
  readonly idempotencyKey?: string
  /** When a write that comes late was accepted, in microseconds since 1970. It replaces nothing that is later; without it a write replaces all. */
  readonly acceptedAtMicros?: number
}

/** What became of a rating: it is committed, or safe in the region until the store is back. */
export type Rated = { readonly status: 'stored'; readonly rating: Rating } | { readonly status: 'queued' }

/** What all ratings of a subject come to; kept by the transaction that stores a rating. */
export interface Summary {
  readonly subject: string
  readonly count: number
  /** Arithmetic mean of the scores; null when there is none. */
  readonly mean: number | null
  /** Mean pulled towards the prior, so that few ratings don't rank first. */
  readonly bayesianMean: number
  /** Ratings by score. */
  readonly histogram: Readonly<Record<'1' | '2' | '3' | '4' | '5', number>>
}

export interface Page<T> {
  readonly items: readonly T[]
  /** Opaque; null on the last page. */
  readonly nextCursor: string | null
}

export interface ListQuery {
  readonly cursor?: string
  /** Items on a page, 1 to 100. */
  readonly limit: number
}

/** Items on a page unless somebody says how many; first pages of this length are cached. */
export const pageLimitDefault = 20

/**
 * How a read was answered. From memory: `hit`, fresh; `stale`, while it is read anew; `away`, because the store does not answer. From the
 * store: `miss`; `collapsed`, together with others who asked at the same time; `bypass`, because such reads aren't remembered.
 */
export type ReadResult = 'hit' | 'stale' | 'away' | 'miss' | 'collapsed' | 'bypass'

export interface Read<T> {
  readonly value: T
  readonly result: ReadResult
  /** Since it was read from the store. */
  readonly ageMs: number
  /** Until it isn't fresh any more; negative when it isn't. */
  readonly ttlMs: number
}

export interface ReadOptions {
  /** Asks the store, whatever is remembered. */
  readonly latest?: boolean
}

/**
 * What callers of the ratings see. A read sees every write that this edge answered before it, unless its result is `away`. Every
 * method may throw a StoreUnavailableError.
 */
export interface RatingsApi {
  /**
   * Resolves when the rating is committed, or safe until it can be. @throws {StoreUnavailableError} if it is neither: nothing is
   * stored then, or a retry is harmless. @throws {IdempotencyKeyReusedError}
   */
  rate(write: RatingWrite): Promise<Rated>
  /** Answers whether there was one. @throws {StoreUnavailableError} also while ratings that came before wait for the store. */
  remove(subject: string, user: string): Promise<boolean>
  find(subject: string, user: string, options?: ReadOptions): Promise<Read<Rating | undefined>>
  /** Newest change first. @throws {CursorError} for a cursor this service didn't make. */
  list(subject: string, query: ListQuery, options?: ReadOptions): Promise<Read<Page<Rating>>>
  /** A subject without ratings has count 0. */
  summary(subject: string, options?: ReadOptions): Promise<Read<Summary>>
}

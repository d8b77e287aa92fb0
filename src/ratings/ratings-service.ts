import { StoreUnavailableError } from './errors.ts'
import type { GroupCommitOptions } from './group-committer.ts'
import type { Change } from './invalidation.ts'
import { RatingWriter, type RatingWriterOptions } from './rating-writer.ts'
import { ReadCache, type ReadCacheOptions } from './read-cache.ts'
import type { RatingStore, ScoreCounts } from './store.ts'
import type { ListQuery, Page, Rated, Rating, RatingsApi, RatingWrite, Summary } from './types.ts'

export interface RatingsServiceOptions {
  readonly store: RatingStore
  readonly groupCommit: Pick<GroupCommitOptions, 'maxDelayMs' | 'batchMax' | 'inFlightMax' | 'queueMax'>
  /** What the writer does while the store is away. */
  readonly outage?: Pick<RatingWriterOptions, 'queue' | 'storeAnswers' | 'onDropped'>
  readonly cache: ReadCacheOptions
  readonly bayesian: { readonly priorMean: number; readonly priorWeight: number }
  /** Called after a commit, before the callers are answered, so that other regions can be told. */
  readonly onChanged?: (changes: readonly Change[]) => void
  /** Called with each write, by its caller, before it waits for its batch; the store is given the same object. */
  readonly onQueued?: ((write: RatingWrite) => void) | undefined
  /** Called when a batch has ended. */
  readonly onBatch?: (batch: { size: number; durationMs: number; failed: boolean }) => void
}

const removeRetryAfterMs = 1000

/** Counts since the start, and what waits now. */
export interface RatingsStats {
  readonly stored: number
  /** Writes waiting for their batch. */
  readonly queued: number
  /** Writes waiting for the store to come back, in the region. */
  readonly awaitingStore: number
  readonly cacheEntries: number
  readonly cacheHits: number
  readonly cacheMisses: number
}

/** Ratings of one edge: its cache and group commit in front of the store. */
export class RatingsService implements RatingsApi {
  readonly #options: RatingsServiceOptions
  readonly #writer: RatingWriter
  readonly #summaries: ReadCache<ScoreCounts>
  readonly #ratings: ReadCache<Rating | undefined>
  #stored = 0

  constructor(options: RatingsServiceOptions) {
    this.#options = options
    this.#summaries = new ReadCache(options.cache)
    this.#ratings = new ReadCache(options.cache)
    this.#writer = new RatingWriter({
      storeAnswers: () => true,
      ...options.groupCommit,
      ...options.outage,
      commit: (writes) => options.store.putMany(writes),
      onBatch: ({ writes, durationMs, failed }) => {
        options.onBatch?.({ size: writes.length, durationMs, failed })
        // Even when it failed: a write that was not answered may have been committed.
        this.#changed(writes)
        if (!failed) this.#stored += writes.length
      },
    })
  }

  rate(write: RatingWrite): Promise<Rated> {
    this.#options.onQueued?.(write)
    return this.#writer.put(write)
  }

  async remove(subject: string, user: string): Promise<boolean> {
    // One of them may be the caller's own: it would come after its deletion.
    if (this.#writer.awaitingStore > 0)
      throw new StoreUnavailableError('ratings wait for the store', { retryAfterMs: removeRetryAfterMs })
    try {
      return await this.#options.store.remove(subject, user)
    } finally {
      this.#changed([{ subject, user }])
    }
  }

  find(subject: string, user: string): Promise<Rating | undefined> {
    return this.#ratings.read(ratingKey({ subject, user }), () => this.#options.store.find(subject, user))
  }

  list(subject: string, query: ListQuery): Promise<Page<Rating>> {
    return this.#options.store.list(subject, query)
  }

  async summary(subject: string): Promise<Summary> {
    const { count, histogram } = await this.#summaries.read(subject, () =>
      this.#options.store.scores(subject),
    )
    const { priorMean, priorWeight } = this.#options.bayesian
    const sum = histogram.reduce((total, n, index) => total + n * (index + 1), 0)
    const weight = priorWeight + count
    return {
      subject,
      count,
      mean: count > 0 ? sum / count : null,
      bayesianMean: weight > 0 ? (priorWeight * priorMean + sum) / weight : priorMean,
      histogram: { 1: histogram[0], 2: histogram[1], 3: histogram[2], 4: histogram[3], 5: histogram[4] },
    }
  }

  /** Forgets what is cached of ratings that changed, here or in another region. */
  invalidate(changes: readonly Change[]): void {
    for (const change of changes) {
      this.#summaries.forget(change.subject)
      this.#ratings.forget(ratingKey(change))
    }
  }

  stats(): RatingsStats {
    return {
      stored: this.#stored,
      queued: this.#writer.queued,
      awaitingStore: this.#writer.awaitingStore,
      cacheEntries: this.#summaries.size + this.#ratings.size,
      cacheHits: this.#summaries.hits + this.#ratings.hits,
      cacheMisses: this.#summaries.misses + this.#ratings.misses,
    }
  }

  /** Resolves when every write that was accepted is committed, queued, or has failed. */
  drain(): Promise<void> {
    return this.#writer.drain()
  }

  #changed(writes: readonly Change[]): void {
    const changes = writes.map(({ subject, user }) => ({ subject, user }))
    this.invalidate(changes)
    this.#options.onChanged?.(changes)
  }
}

function ratingKey({ subject, user }: Change): string {
  return JSON.stringify([subject, user])
}

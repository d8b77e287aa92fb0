import { StoreUnavailableError } from './errors.ts'
import type { GroupCommitOptions } from './group-committer.ts'
import type { Change } from './invalidation.ts'
import { RatingWriter, untilItCannotHappen, type RatingWriterOptions } from './rating-writer.ts'
import { ReadCache, SharedByCaches, type ReadCacheOptions } from './read-cache.ts'
import { RecentChanges } from './recent-changes.ts'
import type { RatingStore, ScoreCounts, StoreReadOptions } from './store.ts'
import {
  pageLimitDefault,
  type ListQuery,
  type Page,
  type Rated,
  type Rating,
  type RatingsApi,
  type RatingWrite,
  type Read,
  type ReadOptions,
  type ReadResult,
  type Summary,
} from './types.ts'

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
  readonly cacheReads: Readonly<Record<ReadResult, number>>
}

/** Ratings of one edge: its cache and group commit in front of the store. */
export class RatingsService implements RatingsApi {
  readonly #options: RatingsServiceOptions
  readonly #writer: RatingWriter
  readonly #shared = new SharedByCaches()
  readonly #summaries: ReadCache<ScoreCounts>
  readonly #ratings: ReadCache<Rating | undefined>
  /** First pages. */
  readonly #pages: ReadCache<Page<Rating>>
  readonly #changes: RecentChanges
  readonly #nowMs: () => number
  #stored = 0

  constructor(options: RatingsServiceOptions) {
    this.#options = options
    this.#nowMs = options.cache.nowMs ?? ((): number => performance.now())
    this.#changes = new RecentChanges(changesMax, this.#nowMs())
    const shared = this.#shared
    this.#summaries = new ReadCache(options.cache, { shared, bytesOf: () => summaryBytes })
    this.#ratings = new ReadCache(options.cache, { shared, bytesOf: bytesOfRating })
    this.#pages = new ReadCache(options.cache, { shared, bytesOf: bytesOfPage })
    this.#writer = new RatingWriter({
      storeAnswers: () => true,
      ...options.groupCommit,
      ...options.outage,
      commit: (writes) => options.store.putMany(writes),
      onBatch: ({ writes, durationMs, failed }) => {
        options.onBatch?.({ size: writes.length, durationMs, failed })
        // Even when it failed: a write that was not answered may have been committed.
        this.#changed(writes)
        if (failed) return
        this.#stored += writes.length
        this.#shared.storeIsAway = false
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
      const removed = await this.#options.store.remove(subject, user)
      this.#shared.storeIsAway = false
      return removed
    } catch (error) {
      await untilItCannotHappen(error)
      throw error
    } finally {
      this.#changed([{ subject, user }])
    }
  }

  find(subject: string, user: string, options: ReadOptions = {}): Promise<Read<Rating | undefined>> {
    const load = (): Promise<Rating | undefined> =>
      this.#options.store.find(subject, user, this.#asOf(subject, options))
    return this.#ratings.read(ratingKey({ subject, user }), load, options.latest)
  }

  async list(subject: string, query: ListQuery, options: ReadOptions = {}): Promise<Read<Page<Rating>>> {
    const load = (): Promise<Page<Rating>> =>
      this.#options.store.list(subject, query, this.#asOf(subject, options))
    if (query.cursor === undefined && query.limit === pageLimitDefault)
      return this.#pages.read(subject, load, options.latest)
    const value = await load()
    this.#shared.reads.bypass++
    return { value, result: 'bypass', ageMs: 0, ttlMs: 0 }
  }

  async summary(subject: string, options: ReadOptions = {}): Promise<Read<Summary>> {
    const load = (): Promise<ScoreCounts> => this.#options.store.scores(subject, this.#asOf(subject, options))
    const read = await this.#summaries.read(subject, load, options.latest)
    return { ...read, value: this.#summaryOf(subject, read.value) }
  }

  /** Hears of ratings that changed in another edge: what is cached of them is outdated. */
  invalidate(changes: readonly Change[]): void {
    const nowMs = this.#nowMs()
    for (const change of changes) {
      this.#changes.note(change.subject, nowMs)
      this.#summaries.outdate(change.subject)
      this.#pages.outdate(change.subject)
      this.#ratings.outdate(ratingKey(change))
    }
  }

  stats(): RatingsStats {
    return {
      stored: this.#stored,
      queued: this.#writer.queued,
      awaitingStore: this.#writer.awaitingStore,
      cacheEntries: this.#summaries.size + this.#ratings.size + this.#pages.size,
      cacheReads: { ...this.#shared.reads },
    }
  }

  /** Resolves when every write that was accepted is committed, queued, or has failed. */
  drain(): Promise<void> {
    return this.#writer.drain()
  }

  /** What a read has to see: the last change that is known here, or all there is. */
  #asOf(subject: string, { latest }: ReadOptions): StoreReadOptions {
    return latest ? {} : { asOfMs: this.#changes.lastMs(subject) }
  }

  #summaryOf(subject: string, { count, histogram }: ScoreCounts): Summary {
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

  #changed(writes: readonly Change[]): void {
    const changes = writes.map(({ subject, user }) => ({ subject, user }))
    this.invalidate(changes)
    this.#options.onChanged?.(changes)
  }
}

/** Subjects whose last change is remembered. */
const changesMax = 100_000

/** Of a summary's six numbers, and of a rating's fields beside its texts, about. */
const summaryBytes = 160
const ratingBytes = 250

function bytesOfRating(rating: Rating | undefined): number {
  if (!rating) return 0
  return ratingBytes + 2 * (rating.subject.length + rating.user.length + (rating.comment?.length ?? 0))
}

function bytesOfPage({ items }: Page<Rating>): number {
  return items.reduce((sum, item) => sum + bytesOfRating(item), ratingBytes)
}

function ratingKey({ subject, user }: Change): string {
  return JSON.stringify([subject, user])
}

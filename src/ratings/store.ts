import type { IdempotencyKeyReusedError } from './errors.ts'
import type { ListQuery, Page, Rating, RatingWrite } from './types.ts'

/** How many ratings of each score a subject has. */
export interface ScoreCounts {
  readonly count: number
  /** Of score 1, 2, 3, 4 and 5. */
  readonly histogram: readonly [number, number, number, number, number]
}

export interface StoreReadOptions {
  /**
   * The answer has to have all that was committed before this moment of this process's monotonic clock; all that was committed before the call, without it.
   * Only a store that is read at several places need look at it.
   */
  readonly asOfMs?: number
}

/** Where ratings are kept. Every method may throw a StoreUnavailableError; after it, a write may or may not have happened. */
export interface RatingStore {
  /**
   * Stores ratings, each replacing that of the same subject and user; all or none. Answers them in the same order. Of two for the
   * same subject and user the later stays. A key that is known changes nothing: its rating is answered as it was before, or an
   * error if it came with another request.
   */
  putMany(writes: readonly RatingWrite[]): Promise<(Rating | IdempotencyKeyReusedError)[]>
  /** Answers whether there was one. Writes that were accepted before don't bring it back. */
  remove(subject: string, user: string): Promise<boolean>
  find(subject: string, user: string, options?: StoreReadOptions): Promise<Rating | undefined>
  /** Newest change first. @throws {CursorError} */
  list(subject: string, query: ListQuery, options?: StoreReadOptions): Promise<Page<Rating>>
  /** Zeros for a subject without ratings. */
  scores(subject: string, options?: StoreReadOptions): Promise<ScoreCounts>
  /** Forgets keys, and deletions for the sake of late writes, of before a time. */
  forgetBefore(time: Date): Promise<void>
  /** Resolves if the store answers. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** The part of a store that only reads. */
export type RatingReader = Pick<RatingStore, 'find' | 'list' | 'scores'>

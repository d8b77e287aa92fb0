import type { RatingWrite } from './types.ts'

/**
 * Where ratings wait durably while the store is away, shared by the edges of a region. Bounded; what is in it stays until somebody
 * has dealt with it.
 */
export interface WriteQueue {
  /** Writes in it, about: other edges put and take, too. */
  readonly depth: number
  /**
   * Resolves when the write is kept. `waitedMs` is the time since it was accepted. Of several with one idempotency key one is kept.
   * @throws {StoreUnavailableError} if it is full, or can't be reached: the write may be kept or not then.
   * @throws {IdempotencyKeyReusedError} for a key that another write in it has.
   */
  push(write: RatingWrite, waitedMs: number): Promise<void>
  /**
   * Gives writes to `handle`, oldest first and each to one taker, with the time when they were accepted. One for which it answers
   * false, or of whose taker nothing is heard, is given again later. Resolves when those that were given are dealt with, or none
   * has come for a while.
   */
  take(handle: (write: RatingWrite) => Promise<boolean>): Promise<void>
  /** No more is taken. */
  stop(): Promise<void>
}

import { setTimeout as delay } from 'node:timers/promises'
import { OverloadedError, StoreUnavailableError } from './errors.ts'
import { GroupCommitter, type GroupCommitOptions } from './group-committer.ts'
import type { Rated, RatingWrite } from './types.ts'
import type { WriteQueue } from './write-queue.ts'

export interface RatingWriterOptions extends GroupCommitOptions {
  /** Where writes wait while the store is away; without it they fail. */
  readonly queue?: WriteQueue
  /** Whether it is worth while to send the store what waits. */
  readonly storeAnswers: () => boolean
  /** A queued write that the store refused for good. */
  readonly onDropped?: (write: RatingWrite, error: unknown) => void
}

/** Between looks whether what waits in the queue can be stored. */
const flushPauseMs = 250

/**
 * Waits while what failed may still happen: it would come after what its caller does next, and undo that.
 */
export async function untilItCannotHappen(error: unknown): Promise<void> {
  if (error instanceof StoreUnavailableError && error.mayHappenForMs > 0) await delay(error.mayHappenForMs)
}

/** Commits ratings in groups while the store answers; while it doesn't, queues them, and stores them when it is back. */
export class RatingWriter {
  readonly #options: RatingWriterOptions
  readonly #committer: GroupCommitter
  readonly #nowMs: () => number
  readonly #flushing: Promise<void>
  #isStopped = false

  constructor(options: RatingWriterOptions) {
    this.#options = options
    this.#nowMs = options.nowMs ?? ((): number => performance.now())
    this.#committer = new GroupCommitter(options)
    this.#flushing = options.queue ? this.#flush(options.queue) : Promise.resolve()
  }

  /** Writes waiting for their batch, here. */
  get queued(): number {
    return this.#committer.queued
  }

  /** Writes waiting for the store to come back, in the region. */
  get awaitingStore(): number {
    return this.#options.queue?.depth ?? 0
  }

  /**
   * Resolves when the rating is committed, or safe in the queue.
   * @throws {StoreUnavailableError} if it is neither. @throws {IdempotencyKeyReusedError}
   */
  async put(write: RatingWrite): Promise<Rated> {
    const acceptedMs = this.#nowMs()
    const { queue } = this.#options
    try {
      return { status: 'stored', rating: await this.#committer.put(write) }
    } catch (error) {
      await untilItCannotHappen(error)
      // A store with too much to do isn't helped by doing it later.
      if (!queue || !(error instanceof StoreUnavailableError) || error instanceof OverloadedError) throw error
      await queue.push(write, this.#nowMs() - acceptedMs)
      return { status: 'queued' }
    }
  }

  /** Resolves when every write that was accepted is committed, queued, or has failed; nothing is taken from the queue any more. */
  async drain(): Promise<void> {
    this.#isStopped = true
    await this.#options.queue?.stop()
    await this.#flushing
    await this.#committer.drain()
  }

  /** Stores what waits in the queue whenever the store answers. */
  async #flush(queue: WriteQueue): Promise<void> {
    while (!this.#isStopped) {
      if (this.#options.storeAnswers())
        await queue.take((write) => this.#store(write)).catch(() => delay(flushPauseMs))
      else await delay(flushPauseMs)
    }
  }

  /** Answers whether a queued write needs no other try. */
  async #store(write: RatingWrite): Promise<boolean> {
    try {
      await this.#committer.put(write)
    } catch (error) {
      if (error instanceof StoreUnavailableError) return false
      this.#options.onDropped?.(write, error)
    }
    return true
  }
}

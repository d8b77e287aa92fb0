import { BatchTuner, type BatchBounds } from './batch-tuner.ts'
import { OverloadedError, StoreUnavailableError, type IdempotencyKeyReusedError } from './errors.ts'
import type { Rating, RatingWrite } from './types.ts'

export interface GroupCommitOptions extends BatchBounds {
  /** Commits all or none; see the store. */
  readonly commit: (writes: readonly RatingWrite[]) => Promise<(Rating | IdempotencyKeyReusedError)[]>
  /** Writes waiting at most. */
  readonly queueMax: number
  /** Called when a batch has ended, before its callers are answered. */
  readonly onBatch?: (batch: CommittedBatch) => void
  readonly nowMs?: () => number
  /** Runs something after some milliseconds, or with 0 after what is ready now; answers how to call it off. */
  readonly schedule?: (run: () => void, delayMs: number) => () => void
}

export interface CommittedBatch {
  readonly writes: readonly RatingWrite[]
  readonly durationMs: number
  readonly failed: boolean
}

interface Waiting {
  readonly write: RatingWrite
  readonly resolve: (rating: Rating) => void
  readonly reject: (error: unknown) => void
}

const retryAfterMs = 1000

/**
 * Commits writes in groups: all that have come by the time a batch goes. The first of an idle store goes as soon as what is
 * ready now has come; while batches are under way the next one gathers, until it is full, a while has passed, or a batch
 * comes back. How much is full and how long a while is, follows from what batches have taken, within bounds. A caller is answered when his write is committed, or has failed.
 */
export class GroupCommitter {
  readonly #options: GroupCommitOptions
  readonly #schedule: NonNullable<GroupCommitOptions['schedule']>
  readonly #nowMs: () => number
  readonly #tuner: BatchTuner
  #queue: Waiting[] = []
  #inFlight = 0
  #cancelTimer: (() => void) | undefined
  #idle: (() => void)[] = []

  constructor(options: GroupCommitOptions) {
    this.#options = options
    this.#tuner = new BatchTuner(options)
    this.#schedule = options.schedule ?? scheduleOnTimers
    this.#nowMs = options.nowMs ?? ((): number => performance.now())
  }

  /** Writes waiting or under way for the next batches. */
  get queued(): number {
    return this.#queue.length
  }

  /** @throws {OverloadedError} when too many wait. @throws {StoreUnavailableError} when the store fails. @throws {IdempotencyKeyReusedError} */
  put(write: RatingWrite): Promise<Rating> {
    if (this.#queue.length >= this.#options.queueMax) {
      const message = `${this.#options.queueMax} ratings wait to be stored already`
      return Promise.reject(new OverloadedError(message, { retryAfterMs }))
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ write, resolve, reject })
      this.#arrange()
    })
  }

  /** Resolves when nothing waits and nothing is under way. */
  drain(): Promise<void> {
    if (this.#queue.length === 0 && this.#inFlight === 0) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #arrange(): void {
    if (this.#queue.length === 0 || this.#inFlight >= this.#options.inFlightMax) return
    if (this.#queue.length >= this.#tuner.batchMax) return this.#send()
    if (this.#cancelTimer) return
    this.#cancelTimer = this.#schedule(() => this.#send(), this.#inFlight === 0 ? 0 : this.#tuner.delayMs)
  }

  #send(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    if (this.#queue.length === 0 || this.#inFlight >= this.#options.inFlightMax) return
    const batch = this.#queue.splice(0, this.#tuner.batchMax)
    this.#inFlight++
    void this.#commit(batch).finally(() => {
      this.#inFlight--
      // Those who came meanwhile have waited long enough.
      this.#send()
      if (this.#queue.length > 0 || this.#inFlight > 0) return
      for (const resolve of this.#idle.splice(0)) resolve()
    })
    this.#arrange()
  }

  /** Commits a batch; one whose data the store refuses is halved, so that only the write at fault fails. */
  async #commit(batch: readonly Waiting[]): Promise<void> {
    const startMs = this.#nowMs()
    const writes = batch.map(({ write }) => write)
    const ended = (failed: boolean): void =>
      this.#options.onBatch?.({ writes, durationMs: this.#nowMs() - startMs, failed })
    try {
      const outcomes = await this.#options.commit(writes)
      this.#tuner.note(writes.length, this.#nowMs() - startMs)
      ended(false)
      for (const [index, { resolve, reject }] of batch.entries()) {
        const outcome = outcomes[index]!
        if (outcome instanceof Error) reject(outcome)
        else resolve(outcome)
      }
    } catch (error) {
      if (batch.length > 1 && !(error instanceof StoreUnavailableError)) {
        const middle = batch.length >> 1
        await this.#commit(batch.slice(0, middle))
        await this.#commit(batch.slice(middle))
        return
      }
      ended(true)
      for (const { reject } of batch) reject(error)
    }
  }
}

function scheduleOnTimers(run: () => void, delayMs: number): () => void {
  if (delayMs > 0) {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  }
  const immediate = setImmediate(run)
  return () => clearImmediate(immediate)
}

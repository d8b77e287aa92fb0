import { StoreUnavailableError } from './errors.ts'
import type { Sql } from './sql.ts'
import { sqlReader } from './sql-store.ts'
import type { RatingReader, RatingStore, ScoreCounts, StoreReadOptions } from './store.ts'
import type { ListQuery, Page, Rating, RatingWrite } from './types.ts'

export interface ReplicaReadsOptions {
  readonly primary: Sql
  /** A physical (streaming) replica of it; stays the caller's. */
  readonly replica: Sql
  /** Called when reads begin to go to the replica, and when they no longer do. */
  readonly onUse?: (used: boolean) => void
  /** Monotonic time, the one of `StoreReadOptions`. */
  readonly nowMs?: () => number
}

/** How far behind a replica may be that is read from. */
const behindMsMax = 30_000

/**
 * Writes go to the primary, and reads to the replica if it certainly has what they must see. How far it has come is found out with each ping: the
 * position of the primary's log is noted, and at the next ping compared with what the replica has replayed. So nobody's clock and
 * no assumption about the usual lag comes into it.
 */
export class ReplicaReads implements RatingStore {
  readonly #primary: RatingStore
  readonly #replica: RatingReader
  readonly #options: ReplicaReadsOptions
  readonly #nowMs: () => number
  /** Where the primary's log was, and when that was asked. */
  #mark: { readonly position: string; readonly atMs: number } | undefined
  /** The replica has all that was committed before. */
  #caughtUpMs = Number.NEGATIVE_INFINITY
  #isUsed = false

  /** `primary` is the store of the options' primary. */
  constructor(primary: RatingStore, options: ReplicaReadsOptions) {
    this.#primary = primary
    this.#replica = sqlReader(options.replica)
    this.#options = options
    this.#nowMs = options.nowMs ?? ((): number => performance.now())
  }

  putMany(writes: readonly RatingWrite[]): ReturnType<RatingStore['putMany']> {
    return this.#primary.putMany(writes)
  }

  forgetBefore(time: Date): Promise<void> {
    return this.#primary.forgetBefore(time)
  }

  remove(subject: string, user: string): Promise<boolean> {
    return this.#primary.remove(subject, user)
  }

  find(subject: string, user: string, options?: StoreReadOptions): Promise<Rating | undefined> {
    return this.#read(options, (store) => store.find(subject, user))
  }

  list(subject: string, query: ListQuery, options?: StoreReadOptions): Promise<Page<Rating>> {
    return this.#read(options, (store) => store.list(subject, query))
  }

  scores(subject: string, options?: StoreReadOptions): Promise<ScoreCounts> {
    return this.#read(options, (store) => store.scores(subject))
  }

  async ping(): Promise<void> {
    await this.#primary.ping()
    const atMs = this.#nowMs()
    const rows = await this.#options.primary.query<{ position: string }>(
      'select pg_current_wal_insert_lsn()::text as position',
      [],
    )
    const mark = this.#mark ?? { position: rows[0]!.position, atMs }
    const hasReached = await this.#hasReached(mark.position)
    if (hasReached) this.#caughtUpMs = mark.atMs
    this.#mark = hasReached ? { position: rows[0]!.position, atMs } : mark
    this.#use(hasReached !== undefined && this.#nowMs() - this.#caughtUpMs < behindMsMax)
  }

  close(): Promise<void> {
    return this.#primary.close()
  }

  /** Undefined if the replica can't tell: it doesn't answer, or is none. */
  async #hasReached(position: string): Promise<boolean | undefined> {
    try {
      const rows = await this.#options.replica.query<{ reached: boolean | null }>(
        'select pg_last_wal_replay_lsn() >= $1::pg_lsn as reached',
        [position],
      )
      return rows[0]?.reached ?? undefined
    } catch {
      return undefined
    }
  }

  async #read<T>(
    { asOfMs = Number.POSITIVE_INFINITY }: StoreReadOptions = {},
    read: (store: RatingReader) => Promise<T>,
  ): Promise<T> {
    const mayUse = asOfMs <= this.#caughtUpMs
    const replicaFirst = mayUse && this.#isUsed
    try {
      return await read(replicaFirst ? this.#replica : this.#primary)
    } catch (error) {
      if (!mayUse || !(error instanceof StoreUnavailableError)) throw error
      // Until a ping finds that it is back.
      if (replicaFirst) this.#use(false)
      return await read(replicaFirst ? this.#primary : this.#replica)
    }
  }

  #use(used: boolean): void {
    if (used !== this.#isUsed) this.#options.onUse?.(used)
    this.#isUsed = used
  }
}

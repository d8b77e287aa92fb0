import { createHash } from 'node:crypto'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { IdempotencyKeyReusedError, StoreUnavailableError } from './errors.ts'
import { migrate } from './migrations.ts'
import type { Sql } from './sql.ts'
import type { RatingReader, RatingStore, ScoreCounts } from './store.ts'
import type { ListQuery, Page, Rating, RatingWrite } from './types.ts'

interface RatingRow {
  readonly subject: string
  readonly user_id: string
  readonly score: number
  readonly comment: string | null
  readonly created_at: Date
  readonly updated_at: Date
}

interface OutcomeRow {
  /** Position, from 1. */
  readonly n: number
  readonly created_at: Date
  readonly updated_at: Date
  readonly is_reused: boolean
}

/** The ratings in a PostgreSQL database, whose schema it brings up to date. */
export async function openSqlStore(sql: Sql): Promise<RatingStore> {
  await migrate(sql)
  const store = new SqlStore(sql)
  await store.ping()
  return store
}

/**
 * The same, of a database that can't be reached now: its schema is brought up to date with the first ping that it answers. Until then
 * all calls reject with StoreUnavailableError.
 */
export function openSqlStoreLater(sql: Sql): RatingStore {
  let isUpToDate = false
  const query: Sql['query'] = (text, parameters) =>
    isUpToDate
      ? sql.query(text, parameters)
      : Promise.reject(new StoreUnavailableError('the store was away at the start', { retryAfterMs }))
  return new SqlStore({ ...sql, query }, async () => {
    if (!isUpToDate) await migrate(sql)
    isUpToDate = true
  })
}

/** Reads a database as it is, such as a replica. */
export function sqlReader(sql: Sql): RatingReader {
  return new SqlStore(sql)
}

/** A ping that took longer says too little about the store's clock. */
const clockPingMsMax = 1000
const retryAfterMs = 1000
/** Up to so many ratings what is planned once is faster. */
const fewMax = 10

class SqlStore implements RatingStore {
  readonly #sql: Sql
  readonly #prepare: (() => Promise<void>) | undefined
  /** The store's clock less our monotonic one, at least; microseconds. */
  #clockAheadMicros = 0

  /** @param prepare what has to be done before the first statement; called by each ping. */
  constructor(sql: Sql, prepare?: () => Promise<void>) {
    this.#sql = sql
    this.#prepare = prepare
  }

  async putMany(writes: readonly RatingWrite[]): Promise<(Rating | IdempotencyKeyReusedError)[]> {
    const { sent, positions } = withoutRepeats(writes)
    const rows = await this.#sql.query<OutcomeRow>(
      `select * from ${sent.length <= fewMax ? 'put_few_ratings' : 'put_ratings'}($1::text[], $2::text[], $3::smallint[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::bigint)`,
      [
        sent.map((write) => write.subject),
        sent.map((write) => write.user),
        sent.map((write) => write.score),
        sent.map((write) => write.comment),
        sent.map((write) => write.acceptedAtMicros ?? null),
        sent.map((write) => write.idempotencyKey ?? null),
        sent.map((write) => (write.idempotencyKey === undefined ? null : fingerprintOf(write))),
        this.#deadlineMicros(),
      ],
    )
    const outcomes = new Map(rows.map((row) => [row.n - 1, row]))
    return writes.map((write, index) => {
      const position = positions[index]!
      const first = sent[position]!
      const isOther = first !== write && fingerprintOf(first) !== fingerprintOf(write)
      return outcomeOf(write, outcomes.get(position), isOther)
    })
  }

  async remove(subject: string, user: string): Promise<boolean> {
    const rows = await this.#sql.query<{ removed: boolean }>(
      'select remove_rating($1, $2, $3::bigint) as removed',
      [subject, user, this.#deadlineMicros()],
    )
    return rows[0]?.removed === true
  }

  async find(subject: string, user: string): Promise<Rating | undefined> {
    const text = 'select * from ratings where subject = $1 and user_id = $2'
    const rows = await this.#sql.query<RatingRow>(text, [subject, user])
    return rows[0] && ratingOf(rows[0])
  }

  async list(subject: string, { cursor, limit }: ListQuery): Promise<Page<Rating>> {
    const after = cursor === undefined ? undefined : decodeCursor(cursor)
    // One more than asked for tells whether there is a next page.
    const rows = await this.#sql.query<RatingRow & { micros: string }>(
      `select *, (extract(epoch from updated_at) * 1000000)::bigint::text as micros from ratings
       where subject = $1 ${after ? "and (updated_at, user_id) < ('epoch'::timestamptz + $3::bigint * interval '1 microsecond', $4)" : ''}
       order by updated_at desc, user_id desc limit $2`,
      [subject, limit + 1, ...(after ? [after.updatedAtMicros, after.user] : [])],
    )
    const items = rows.slice(0, limit)
    const end = rows.length > limit ? items.at(-1) : undefined
    return {
      items: items.map(ratingOf),
      nextCursor: end ? encodeCursor({ updatedAtMicros: end.micros, user: end.user_id }) : null,
    }
  }

  async scores(subject: string): Promise<ScoreCounts> {
    const rows = await this.#sql.query<Record<'count' | 's1' | 's2' | 's3' | 's4' | 's5', number>>(
      `select sum(count)::float8 as count, sum(scores_1)::float8 as s1, sum(scores_2)::float8 as s2,
         sum(scores_3)::float8 as s3, sum(scores_4)::float8 as s4, sum(scores_5)::float8 as s5
       from subject_summaries where subject = $1 group by subject`,
      [subject],
    )
    const row = rows[0]
    if (!row) return { count: 0, histogram: [0, 0, 0, 0, 0] }
    return { count: row.count, histogram: [row.s1, row.s2, row.s3, row.s4, row.s5] }
  }

  async forgetBefore(time: Date): Promise<void> {
    await this.#sql.query('select forget_before($1::timestamptz)', [time.toISOString()])
  }

  async ping(): Promise<void> {
    await this.#prepare?.()
    const sentMs = performance.now()
    const rows = await this.#sql.query<{ micros: number }>(
      'select (extract(epoch from clock_timestamp()) * 1000000)::float8 as micros',
      [],
    )
    const answeredMs = performance.now()
    if (this.#clockAheadMicros === 0 || answeredMs - sentMs < clockPingMsMax)
      this.#clockAheadMicros = Math.floor(rows[0]!.micros - answeredMs * 1000)
  }

  /** When a statement that is sent now has to be done, by the store's clock; null if it can't come late. */
  #deadlineMicros(): number | null {
    const { patienceMs } = this.#sql
    if (patienceMs === Infinity) return null
    return this.#clockAheadMicros + Math.floor((performance.now() + patienceMs) * 1000)
  }

  close(): Promise<void> {
    return this.#sql.close()
  }
}

/** What is sent of a batch: of several with one key the first, and where each one's answer stands. */
function withoutRepeats(writes: readonly RatingWrite[]): { sent: RatingWrite[]; positions: number[] } {
  const sent: RatingWrite[] = []
  const firsts = new Map<string, number>()
  const positions = writes.map((write) => {
    const key =
      write.idempotencyKey === undefined
        ? undefined
        : `${write.user.length} ${write.user}${write.idempotencyKey}`
    const first = key === undefined ? undefined : firsts.get(key)
    if (first !== undefined) return first
    if (key !== undefined) firsts.set(key, sent.length)
    return sent.push(write) - 1
  })
  return { sent, positions }
}

/** Tells a request from another with the same key. */
function fingerprintOf({ subject, score, comment }: RatingWrite): string {
  return createHash('sha256')
    .update(JSON.stringify([subject, score, comment]))
    .digest('base64url')
}

function outcomeOf(
  write: RatingWrite,
  row: OutcomeRow | undefined,
  isOther: boolean,
): Rating | IdempotencyKeyReusedError {
  const { subject, user, score, comment, idempotencyKey, acceptedAtMicros } = write
  if (idempotencyKey !== undefined && (isOther || row?.is_reused))
    return new IdempotencyKeyReusedError(idempotencyKey)
  if (row) return { subject, user, score, comment, createdAt: row.created_at, updatedAt: row.updated_at }
  if (acceptedAtMicros === undefined) throw new Error('the store did not answer a rating that it was given')
  // Something later is there already.
  const acceptedAt = new Date(acceptedAtMicros / 1000)
  return { subject, user, score, comment, createdAt: acceptedAt, updatedAt: acceptedAt }
}

function ratingOf(row: RatingRow): Rating {
  return {
    subject: row.subject,
    user: row.user_id,
    score: row.score,
    comment: row.comment,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

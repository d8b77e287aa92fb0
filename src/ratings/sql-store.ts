import { decodeCursor, encodeCursor } from './cursor.ts'
import { migrate } from './migrations.ts'
import type { Sql } from './sql.ts'
import type { RatingStore, ScoreCounts } from './store.ts'
import type { ListQuery, Page, Rating, RatingWrite } from './types.ts'

interface RatingRow {
  readonly subject: string
  readonly user_id: string
  readonly score: number
  readonly comment: string | null
  readonly created_at: Date
  readonly updated_at: Date
}

type StoredRow = Omit<RatingRow, 'score' | 'comment'>

/** The ratings in a PostgreSQL database, whose schema it brings up to date. */
export async function openSqlStore(sql: Sql): Promise<RatingStore> {
  await migrate(sql)
  return new SqlStore(sql)
}

class SqlStore implements RatingStore {
  readonly #sql: Sql

  constructor(sql: Sql) {
    this.#sql = sql
  }

  async putMany(writes: readonly RatingWrite[]): Promise<Rating[]> {
    const last = new Map(writes.map((write) => [keyOf(write.subject, write.user), write]))
    const stored = [...last.values()]
    const rows = await this.#sql.query<StoredRow>(
      'select * from put_ratings($1::text[], $2::text[], $3::smallint[], $4::text[])',
      [
        stored.map((write) => write.subject),
        stored.map((write) => write.user),
        stored.map((write) => write.score),
        stored.map((write) => write.comment),
      ],
    )
    const times = new Map(rows.map((row) => [keyOf(row.subject, row.user_id), row]))
    return writes.map(({ subject, user, score, comment }) => {
      const row = times.get(keyOf(subject, user))
      if (!row) throw new Error('the store did not answer a rating that it was given')
      return { subject, user, score, comment, createdAt: row.created_at, updatedAt: row.updated_at }
    })
  }

  async remove(subject: string, user: string): Promise<boolean> {
    const rows = await this.#sql.query<{ removed: boolean }>('select remove_rating($1, $2) as removed', [
      subject,
      user,
    ])
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
      `select count::float8 as count, scores_1::float8 as s1, scores_2::float8 as s2, scores_3::float8 as s3,
         scores_4::float8 as s4, scores_5::float8 as s5 from subject_summaries where subject = $1`,
      [subject],
    )
    const row = rows[0]
    if (!row) return { count: 0, histogram: [0, 0, 0, 0, 0] }
    return { count: row.count, histogram: [row.s1, row.s2, row.s3, row.s4, row.s5] }
  }

  async ping(): Promise<void> {
    await this.#sql.query('select 1', [])
  }

  close(): Promise<void> {
    return this.#sql.close()
  }
}

function keyOf(subject: string, user: string): string {
  return `${subject.length} ${subject}${user}`
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

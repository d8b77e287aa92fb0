import postgres from 'postgres'
import { openPostgres } from '../src/ratings/postgres-driver.ts'
import { openSqlStore } from '../src/ratings/sql-store.ts'

export interface SeedOptions {
  /** Of a database without ratings. */
  readonly url: string
  readonly ratings: number
  readonly onProgress?: (what: string) => void
}

const chunkRows = 500_000

/** How many subjects and users there are for so many ratings. Of ten million the largest subject has 660,000. */
export function spreadOf(ratings: number): { subjects: number; users: number } {
  return { subjects: Math.ceil(ratings / 5), users: Math.ceil(ratings / 2) }
}

export const subjectName = (rank: number): string => `subject${rank}`

/** The rating has been seeded before, or the database is in use. */
export class NotEmptyError extends Error {
  override readonly name = 'NotEmptyError'
}

/**
 * Fills a database with ratings, all or none: subjects by Zipf's law with exponent 1, each with users of its own choice, in the
 * order of chance, spread over a year. The server makes them, so neither side needs memory for them; and its indexes are made
 * anew behind them, because ten million random insertions into an index write most of its pages again and again.
 * @throws {NotEmptyError}
 */
export async function seed({ url, ratings, onProgress = (): void => {} }: SeedOptions): Promise<void> {
  const limits = { poolMax: 1, connectTimeoutMs: 5000, statementTimeoutMs: 60_000 }
  await (await openSqlStore(openPostgres({ url, ...limits }))).close()
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  try {
    await sql.begin((transaction) => fill(transaction, ratings, onProgress))
    onProgress('vacuum and statistics')
    await sql`vacuum (analyze) ratings, subject_summaries`
  } finally {
    await sql.end()
  }
}

async function fill(
  sql: postgres.TransactionSql,
  ratings: number,
  onProgress: (what: string) => void,
): Promise<void> {
  await sql`lock table ratings, subject_summaries in exclusive mode`
  const [found] = await sql`select 1 from ratings limit 1`
  if (found) throw new NotEmptyError('the database has ratings already; allowed: an empty one')
  await sql`set local maintenance_work_mem = '512MB'`
  onProgress('drawing')
  await draw(sql, ratings)
  const restore = await dropIndexes(sql)
  await insertDrawn(sql, ratings, onProgress)
  for (const statement of restore) {
    onProgress(statement)
    await sql.unsafe(statement)
  }
  onProgress('summaries')
  await sql`
    insert into subject_summaries (subject, count, scores_1, scores_2, scores_3, scores_4, scores_5)
    select subject, count(*), count(*) filter (where score = 1), count(*) filter (where score = 2),
      count(*) filter (where score = 3), count(*) filter (where score = 4), count(*) filter (where score = 5)
    from ratings group by subject`
}

/** Subject and number within it of each rating, in the order of chance. */
async function draw(sql: postgres.TransactionSql, ratings: number): Promise<void> {
  const { subjects } = spreadOf(ratings)
  await sql`
    create temp table drawn on commit drop as
    with weights as (
      select rank, ${ratings}::float8 * sum(1.0::float8 / rank) over (order by rank) / sum(1.0::float8 / rank) over () as upto
      from generate_series(1, ${subjects}::int) rank
    ), counts as (
      select rank, (round(upto) - round(coalesce(lag(upto) over (order by rank), 0)))::int as n from weights
    )
    select rank, number from counts, generate_series(0, n - 1) number order by random()`
}

/** Drops the indexes of the ratings; answers the statements that make them again. */
async function dropIndexes(sql: postgres.TransactionSql): Promise<string[]> {
  const [primary] = await sql`
    select conname as name, pg_get_constraintdef(oid) as definition from pg_constraint
    where conrelid = 'ratings'::regclass and contype = 'p'`
  const indexes = await sql`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
    where indrelid = 'ratings'::regclass and not indisprimary`
  await sql.unsafe(`alter table ratings drop constraint ${primary!['name']}`)
  for (const { name } of indexes) await sql.unsafe(`drop index ${name}`)
  return [
    `alter table ratings add constraint ${primary!['name']} ${primary!['definition']}`,
    ...indexes.map(({ definition }) => String(definition)),
  ]
}

async function insertDrawn(
  sql: postgres.TransactionSql,
  ratings: number,
  onProgress: (what: string) => void,
): Promise<void> {
  const { users } = spreadOf(ratings)
  const [size] = await sql`select pg_relation_size('drawn') / current_setting('block_size')::int as pages`
  const pages = Number(size!['pages'])
  const chunks = Math.ceil(ratings / chunkRows)
  for (let chunk = 0; chunk < chunks; chunk++) {
    const [from, to] = [chunk, chunk + 1].map((n) => `(${Math.floor((pages * n) / chunks)},0)`)
    // A subject's users are consecutive from a number of its own, so that none rates it twice.
    await sql`
      insert into ratings (subject, user_id, score, comment, created_at, updated_at)
      select 'subject' || rank, 'user' || (hashint4(rank)::bigint + 2147483648 + number) % ${users}::bigint,
        1 + floor(5 * sqrt(random()))::int, case when random() < 0.3 then repeat('Good, on the whole. ', 1 + (12 * random())::int) end,
        at, at
      from (select rank, number, now() - random() * interval '1 year' as at from drawn
            where ctid >= ${from!}::tid and ctid < ${to!}::tid) one`
    onProgress(`${Math.round(((chunk + 1) / chunks) * ratings).toLocaleString('en-US')} ratings`)
  }
}

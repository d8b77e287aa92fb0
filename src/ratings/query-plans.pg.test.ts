import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seed, subjectName } from '../../bench/seeding.ts'
import { startPostgres, type PostgresServer } from '../../test/support/postgres.ts'
import { openPostgres } from './postgres-driver.ts'
import type { Sql, SqlParameter } from './sql.ts'
import { openSqlStore } from './sql-store.ts'
import type { RatingStore } from './store.ts'
import { pageLimitDefault } from './types.ts'

const ratings = 200_000
const tables = ['ratings', 'subject_summaries']

let server: PostgresServer
let url: string

beforeAll(async () => {
  server = await startPostgres()
  url = await server.createDatabase()
  await seed({ url, ratings })
})
afterAll(() => server.stop())

interface Query {
  readonly text: string
  readonly parameters: readonly SqlParameter[]
}

const connect = (): Sql =>
  openPostgres({ url, poolMax: 2, connectTimeoutMs: 5000, statementTimeoutMs: 20_000 })

/** Tells of every query before it runs. */
function watched(sql: Sql, onQuery: (query: Query) => void): Sql {
  return {
    ...sql,
    query: (text, parameters) => {
      onQuery({ text, parameters })
      return sql.query(text, parameters)
    },
  }
}

/** All that an edge asks of the store: for a subject with a tenth of all ratings, one with few, and one that nobody rated. */
async function useAll(store: RatingStore): Promise<void> {
  for (const subject of [subjectName(1), subjectName(5000), 'nobody rated this']) {
    await store.scores(subject)
    for (const limit of [1, pageLimitDefault, 100]) {
      const { items, nextCursor } = await store.list(subject, { limit })
      if (nextCursor !== null) await store.list(subject, { limit, cursor: nextCursor })
      await store.find(subject, items[0]?.user ?? 'nobody')
    }
    // For a batch of 500 a scan of so few summaries is the right plan.
    for (const size of [1, 20, 100]) {
      await store.putMany(
        Array.from({ length: size }, (_, n) => ({
          subject: n % 2 ? subject : subjectName(1 + n),
          user: `user${n}`,
          score: 1 + (n % 5),
          comment: null,
        })),
      )
    }
    await store.remove(subject, 'user1')
  }
}

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string
  readonly Plans?: readonly PlanNode[]
}

const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)]

async function scansOf(): Promise<Record<string, number>> {
  const sql = postgres(url, { max: 1 })
  const rows =
    await sql`select relname, seq_scan from pg_stat_user_tables where relname in ${sql(tables)} order by relname`
  await sql.end()
  return Object.fromEntries(rows.map((row) => [String(row['relname']), Number(row['seq_scan'])]))
}

describe(`with ${ratings} ratings`, () => {
  test('no query of the store is planned with a sequential scan', async () => {
    const queries = new Map<string, Query>()
    const sql = connect()
    const store = await openSqlStore(watched(sql, (query) => queries.set(query.text, query)))
    queries.clear()
    await useAll(store)
    const scanned = []
    for (const { text, parameters } of queries.values()) {
      const rows = await sql.query<Record<string, [{ Plan: PlanNode }]>>(
        `explain (format json) ${text}`,
        parameters,
      )
      const nodes = nodesOf(rows[0]!['QUERY PLAN']![0].Plan)
      scanned.push(...nodes.map((node) => [node['Node Type'], node['Relation Name']]))
    }
    await store.close()
    expect(scanned.filter(([, table]) => tables.includes(table!)).length).toBeGreaterThanOrEqual(4)
    expect(scanned.filter(([type]) => type === 'Seq Scan')).toEqual([])
  })

  // Also within functions, and by the plans that are kept for any parameters.
  test.each(['force_custom_plan', 'force_generic_plan'])(
    'none of them makes one when it runs, under %s',
    async (mode) => {
      const sql = postgres(url, { max: 1 })
      await sql.unsafe(`alter database ${sql.options.database} set plan_cache_mode = ${mode}`)
      await sql.end()
      // The schema is brought up to date before.
      await (await openSqlStore(connect())).close()
      const before = await scansOf()
      expect(Object.keys(before)).toEqual(tables)
      const store = await openSqlStore(connect())
      for (let run = 0; run < 7; run++) await useAll(store)
      // A connection tells its counts when it ends.
      await store.close()
      expect(await scansOf()).toEqual(before)
    },
  )
})

test('few ratings are stored by looking rows up, also by plans that were made while there were none', async () => {
  const empty = await server.createDatabase()
  const ours = postgres(empty, { max: 1 })
  // Neither vacuum nor analyze, after which plans are made anew.
  const sql = openPostgres({ url: empty, poolMax: 1, connectTimeoutMs: 5000, statementTimeoutMs: 20_000 })
  const store = await openSqlStore(sql)
  for (const table of tables) await ours.unsafe(`alter table ${table} set (autovacuum_enabled = off)`)
  const put = (count: number, round: number): Promise<unknown> =>
    store.putMany(
      Array.from({ length: count }, (_, n) => ({
        subject: `subject${round}-${n}`,
        user: `user${n}`,
        score: 3,
        comment: null,
      })),
    )
  const rowsRead = async (): Promise<number> => {
    await sql.query('select pg_stat_force_next_flush()', [])
    const [row] =
      await ours`select sum(idx_tup_read)::int + (select sum(seq_tup_read)::int from pg_stat_user_tables) as n from pg_stat_user_indexes`
    return Number(row!['n'])
  }
  await put(1, 0)
  for (let round = 1; round <= 5; round++) await put(2000, round)
  const before = await rowsRead()
  await put(1, 6)
  expect((await rowsRead()) - before).toBeLessThan(50)
  await ours.end()
  await store.close()
})

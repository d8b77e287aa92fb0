import { openPglite } from './pglite-driver.ts'
import { openSqlStore } from './sql-store.ts'
import type { Sql } from './sql.ts'
import type { RatingStore } from './store.ts'

let database: Promise<Sql> | undefined

/**
 * For tests: a real store without ratings. All test files that a process runs, one after the other, have one embedded database:
 * to start one takes seconds.
 */
export async function openTestStore(): Promise<RatingStore> {
  const sql = await (database ??= openPglite())
  const store = await openSqlStore({ ...sql, close: () => Promise.resolve() })
  await sql.script('truncate ratings, subject_summaries')
  return store
}

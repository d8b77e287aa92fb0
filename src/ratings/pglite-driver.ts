import { PGlite } from '@electric-sql/pglite'
import { mkdir } from 'node:fs/promises'
import type { Sql, SqlParameter, SqlSession } from './sql.ts'

/** PostgreSQL in this process: in a directory, made if need be, or in memory without one. One process at a time. */
export async function openPglite(directory?: string): Promise<Sql> {
  if (directory !== undefined) await mkdir(directory, { recursive: true })
  const database = await PGlite.create(directory)
  return {
    ...sessionOf(database),
    patienceMs: Infinity,
    transaction: (run) => database.transaction((transaction) => run(sessionOf(transaction))),
    close: () => database.close(),
  }
}

function sessionOf(on: Pick<PGlite, 'query' | 'exec'>): SqlSession {
  return {
    query: async <Row>(text: string, parameters: readonly SqlParameter[]) => {
      const { rows } = await on.query<Row>(text, [...parameters])
      return rows
    },
    script: async (text) => {
      await on.exec(text)
    },
  }
}

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDelayingProxy } from '../../test/support/delaying-proxy.ts'
import { startPostgres, type PostgresServer } from '../../test/support/postgres.ts'
import { StoreUnavailableError } from './errors.ts'
import { checkServerVersion, migrate, NewerSchemaError } from './migrations.ts'
import { openPglite } from './pglite-driver.ts'
import { openPostgres } from './postgres-driver.ts'
import type { Sql } from './sql.ts'
import { openSqlStore } from './sql-store.ts'
import { runStoreContract } from './store.contract.ts'
import type { RatingWrite } from './types.ts'

let server: PostgresServer

beforeAll(async () => {
  server = await startPostgres()
})
afterAll(() => server.stop())

const connect = (url: string): Sql =>
  openPostgres({ url, poolMax: 4, connectTimeoutMs: 5000, statementTimeoutMs: 20_000 })

runStoreContract('PostgreSQL', async () => openSqlStore(connect(await server.createDatabase())))

describe('PostgreSQL', () => {
  test('edges that start together on an empty database all come up', async () => {
    const url = await server.createDatabase()
    const stores = await Promise.all(Array.from({ length: 4 }, () => openSqlStore(connect(url))))
    expect(await stores[3]!.scores('nothing')).toMatchObject({ count: 0 })
    await Promise.all(stores.map((store) => store.close()))
  })

  test('every table can be distributed by subject: it is in each unique index, and no key refers to another table', async () => {
    const sql = connect(await server.createDatabase())
    await migrate(sql)
    const keys = await sql.query<{ table: string; kind: string; columns: string[] }>(
      `select t.relname as table, 'unique index' as kind, array_agg(a.attname::text order by a.attnum) as columns
       from pg_index i join pg_class t on t.oid = i.indrelid
         join pg_attribute a on a.attrelid = t.oid and a.attnum = any (i.indkey)
       where i.indisunique and t.relnamespace = 'public'::regnamespace and t.relname <> 'openclaw_migrations'
       group by t.relname, i.indexrelid
       union all
       select conrelid::regclass::text, 'foreign key', '{}' from pg_constraint
       where contype = 'f' and connamespace = 'public'::regnamespace`,
      [],
    )
    const tables = await sql.query<{ table: string }>(
      `select relname as table from pg_class
       where relkind = 'r' and relnamespace = 'public'::regnamespace and relname <> 'openclaw_migrations'`,
      [],
    )
    await sql.close()
    expect(keys.filter(({ columns }) => !columns.includes('subject'))).toEqual([])
    // Each has one.
    expect(new Set(keys.map(({ table }) => table))).toEqual(new Set(tables.map(({ table }) => table)))
    expect(tables.length).toBeGreaterThanOrEqual(2)
  })

  test('a database of a newer version is refused, unless it says that this one works with it', async () => {
    const sql = connect(await server.createDatabase())
    await migrate(sql)
    await sql.query('insert into openclaw_migrations (version) values (1000)', [])
    await expect(migrate(sql)).rejects.toThrow(NewerSchemaError)
    await sql.query('insert into openclaw_migrations (version, works_since) values (1001, 4)', [])
    await expect(migrate(sql)).rejects.toThrow('schema version 1001')
    await sql.query('insert into openclaw_migrations (version, works_since) values (1002, 3)', [])
    await migrate(sql)
    await sql.close()
  })

  test('a server that is too old is refused', () => {
    expect(() => checkServerVersion('14.9 (Debian 14.9-1)')).toThrow(
      'the database is PostgreSQL 14.9 (Debian 14.9-1): 15 or later is needed',
    )
    for (const version of ['15.18 (Debian 15.18-0+deb12u1)', '18beta1'])
      expect(() => checkServerVersion(version)).not.toThrow()
  })

  test('three edges that hammer ten subjects neither deadlock nor let a summary drift', async () => {
    const url = await server.createDatabase()
    const stores = await Promise.all(Array.from({ length: 3 }, () => openSqlStore(connect(url))))
    let state = 1
    const random = (below: number): number => {
      state = Math.imul(state, 1_103_515_245) + 12_345
      return (state >>> 8) % below
    }
    const batch = (): RatingWrite[] =>
      Array.from({ length: 1 + random(40) }, () => ({
        subject: `subject${random(10)}`,
        user: `user${random(30)}`,
        score: 1 + random(5),
        comment: null,
        ...(random(4) === 0 && { idempotencyKey: `key${random(200)}` }),
        ...(random(4) === 0 && { acceptedAtMicros: (Date.now() - random(1000)) * 1000 }),
      }))
    const hammer = async (store: (typeof stores)[number]): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        if (random(5) === 0) await store.remove(`subject${random(10)}`, `user${random(30)}`)
        else await store.putMany(batch())
      }
    }
    // A deadlock or a serialization failure would be an error here.
    await Promise.all(stores.flatMap((store) => [hammer(store), hammer(store)]))
    const sql = connect(url)
    const stats = await sql.query<{ deadlocks: number }>(
      'select deadlocks::int from pg_stat_database where datname = current_database()',
      [],
    )
    expect(stats[0]!.deadlocks).toBe(0)
    await sql.close()
    for (let i = 0; i < 10; i++) {
      const { items } = await stores[0]!.list(`subject${i}`, { limit: 100 })
      const histogram = [1, 2, 3, 4, 5].map((score) => items.filter((item) => item.score === score).length)
      expect(await stores[0]!.scores(`subject${i}`)).toEqual({ count: items.length, histogram })
    }
    await Promise.all(stores.map((store) => store.close()))
  })

  test('a write that the network held back until it was given up is not stored when it arrives', async () => {
    const url = new URL(await server.createDatabase())
    const direct = connect(url.href)
    const proxy = await startDelayingProxy({ targetPort: Number(url.port), delayMs: 0 })
    url.port = String(proxy.port)
    const store = await openSqlStore(
      openPostgres({ url: url.href, poolMax: 1, connectTimeoutMs: 5000, statementTimeoutMs: 500 }),
    )
    const rating = { subject: 'tea', user: 'alice', comment: null }
    await store.putMany([{ ...rating, score: 1 }])
    proxy.cut()
    const writing = store.putMany([{ ...rating, score: 2 }]).catch((error: unknown) => error)
    const removing = store.remove('tea', 'alice').catch((error: unknown) => error)
    expect(await Promise.all([writing, removing])).toEqual(
      Array.from({ length: 2 }, () => expect.any(StoreUnavailableError)),
    )
    proxy.heal()
    await store.close()
    // A backend ends after what was sent to it.
    const backends = `select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`
    await expect.poll(() => direct.query(backends, []), { timeout: 20_000 }).toEqual([])
    expect(await direct.query('select score::int from ratings', [])).toEqual([{ score: 1 }])
    await direct.close()
    await proxy.close()
  })

  test('while the server is down the store is unavailable, without naming its address; afterwards it works again', async () => {
    const own = await startPostgres()
    const store = await openSqlStore(connect(own.url))
    const rating = { subject: 'tea', user: 'alice', score: 5, comment: null }
    await own.kill()
    const failure = await store.putMany([rating]).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(StoreUnavailableError)
    expect(String(failure)).not.toMatch(/postgres:|127\.0\.0\.1/)
    await own.restart()
    await expect.poll(() => store.putMany([rating]).catch(() => []), { timeout: 20_000 }).toHaveLength(1)
    await store.close()
    await own.stop()
  })
})

test('PGlite: ratings in a directory survive closing and opening again', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'openclaw-pglite-'))
  const first = await openSqlStore(await openPglite(directory))
  const stored = await first.putMany([{ subject: 'tea', user: 'alice', score: 5, comment: null }])
  await first.close()
  const second = await openSqlStore(await openPglite(directory))
  expect([await second.find('tea', 'alice')]).toEqual(stored)
  await second.close()
  await rm(directory, { recursive: true })
})

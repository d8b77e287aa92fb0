import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { eventually } from '../../test/support/eventually.ts'
import { startPostgres, type PostgresServer } from '../../test/support/postgres.ts'
import { openPostgres } from './postgres-driver.ts'
import { RatingsService } from './ratings-service.ts'
import { ReplicaReads } from './replica-reads.ts'
import type { Sql } from './sql.ts'
import { openSqlStore } from './sql-store.ts'
import type { RatingStore } from './store.ts'

let primary: PostgresServer
let replica: PostgresServer
let admin: postgres.Sql

beforeAll(async () => {
  primary = await startPostgres()
  replica = await primary.startReplica()
  admin = postgres(replica.url, { max: 1, onnotice: () => {} })
})
afterAll(async () => {
  await admin.end()
  await replica.stop()
  await primary.stop()
})

/** Reads that a server answered. */
interface Counted {
  reads: number
}

function open(url: string, counted: Counted): Sql {
  const sql = openPostgres({ url, poolMax: 2, connectTimeoutMs: 2000, statementTimeoutMs: 5000 })
  return {
    ...sql,
    query: (text, parameters) => {
      if (/from (?:ratings|subject_summaries)/.test(text)) counted.reads++
      return sql.query(text, parameters)
    },
  }
}

const onReplica = (url: string): string => url.replace(/:\d+\//, `:${new URL(replica.url).port}/`)

let store: RatingStore
let other: RatingStore
let service: RatingsService
let [first, second]: [Counted, Counted] = [{ reads: 0 }, { reads: 0 }]
let uses: boolean[]

const rate = (subject: string, user: string): Promise<unknown> =>
  service.rate({ subject, user, score: 5, comment: null })
const count = async (subject: string): Promise<number> => (await service.summary(subject)).value.count

/** The replica has all that there is now, and the store knows. */
const catchUp = (): Promise<void> =>
  eventually(async () => {
    await store.ping()
    await store.ping()
    second.reads = 0
    await service.summary(`unread ${Math.random()}`)
    expect(second.reads).toBe(1)
  })

beforeEach(async () => {
  const url = await primary.createDatabase()
  ;[first, second, uses] = [{ reads: 0 }, { reads: 0 }, []]
  other = await openSqlStore(open(url, { reads: 0 }))
  const sql = { primary: open(url, first), replica: open(onReplica(url), second) }
  store = new ReplicaReads(await openSqlStore(sql.primary), { ...sql, onUse: (used) => uses.push(used) })
  service = new RatingsService({
    store,
    groupCommit: { maxDelayMs: 1, batchMax: 100, inFlightMax: 2, queueMax: 1000 },
    cache: { maxEntries: 1, maxBytes: 100_000, ttlMs: 30_000, staleMs: 0, staleIfErrorMs: 0 },
    bayesian: { priorMean: 3, priorWeight: 5 },
  })
  return async (): Promise<void> => {
    await admin`select pg_wal_replay_resume()`
    await store.close()
    await sql.replica.close()
    await other.close()
  }
})

test('reads go to the replica once it has all that was there when the edge began', async () => {
  await rate('tea', 'alice')
  first.reads = 0
  expect(await count('tea')).toBe(1)
  expect([first.reads, second.reads]).toEqual([1, 0])
  await catchUp()
  ;[first.reads, second.reads] = [0, 0]
  // The cache has room for one entry, and that is another's.
  expect(await count('tea')).toBe(1)
  expect((await service.list('tea', { limit: 5 })).value.items).toHaveLength(1)
  expect((await service.find('tea', 'alice')).value).toMatchObject({ score: 5 })
  expect([first.reads, second.reads]).toEqual([0, 3])
  expect(uses).toEqual([true])
})

test('a write is seen by the next read, however far behind the replica is, and so is one that another edge tells of', async () => {
  await catchUp()
  await admin`select pg_wal_replay_pause()`
  for (let written = 1; written <= 5; written++) {
    await rate('tea', `user${written}`)
    await store.ping()
    // Whatever the cache had is gone.
    await service.summary('other')
    expect(await count('tea')).toBe(written)
  }
  await other.putMany([{ subject: 'coffee', user: 'alice', score: 5, comment: null }])
  service.invalidate([{ subject: 'coffee', user: 'alice' }])
  expect(await count('coffee')).toBe(1)
  // What nobody told of is read as the replica has it, unless somebody asks for the latest.
  await other.putMany([{ subject: 'milk', user: 'alice', score: 5, comment: null }])
  expect(await count('milk')).toBe(0)
  expect((await service.summary('milk', { latest: true })).value.count).toBe(1)
})

test('while the replica is away the primary is read, and while the primary is away the replica, if it has all that is known', async () => {
  await rate('tea', 'alice')
  await catchUp()
  await replica.kill()
  expect(await count('tea')).toBe(1)
  expect(uses).toEqual([true, false])
  await replica.restart()
  await catchUp()
  await primary.kill()
  await service.summary('other')
  expect(await count('tea')).toBe(1)
  await expect(service.summary('tea', { latest: true })).rejects.toThrow(/unavailable/)
  await primary.restart()
})

import { startPostgres } from '../test/support/postgres.ts'
import { encodeCursor } from '../src/ratings/cursor.ts'
import { openPostgres } from '../src/ratings/postgres-driver.ts'
import { openSqlStore } from '../src/ratings/sql-store.ts'
import type { RatingStore } from '../src/ratings/store.ts'
import { median, type BenchRow } from './report.ts'
import { seed, spreadOf, subjectName } from './seeding.ts'

/**
 * Latency of reads past the cache, of a store with many ratings against one with few, on the same PostgreSQL and in turns. One reader,
 * one connection. `BENCH_RATINGS` says how many are many.
 */
const many = Number(process.env['BENCH_RATINGS'] ?? 1_000_000)
const few = 10_000
const rounds = 7
const readsARound = 300
const pageLimit = 20
/** Subjects that fill a page with few ratings too. */
const largestSubjects = 20

type Read = (store: RatingStore, subjects: number) => Promise<unknown>

/** By Zipf's law with exponent 1, as the ratings are spread. */
const anySubject = (subjects: number): string => subjectName(Math.floor(subjects ** Math.random()))

const halfAYearMicros = 182 * 24 * 3600 * 1e6

const reads: Record<string, Read> = {
  'summary of a subject': (store, subjects) => store.scores(anySubject(subjects)),
  'one rating': (store, subjects) =>
    store.find(anySubject(subjects), `user${Math.floor(Math.random() * many)}`),
  'first page of one of the largest subjects': (store) =>
    store.list(anySubject(largestSubjects), { limit: pageLimit }),
  'page in the middle of the largest subject': (store) => {
    const updatedAtMicros = String(Math.round(Date.now() * 1000 - Math.random() * 2 * halfAYearMicros))
    const cursor = encodeCursor({ updatedAtMicros, user: 'user' })
    return store.list(subjectName(1), { limit: pageLimit, cursor })
  },
}

export async function benchListing(): Promise<BenchRow[]> {
  const server = await startPostgres()
  const open = async (ratings: number): Promise<RatingStore> => {
    const url = await server.createDatabase()
    await seed({ url, ratings, onProgress: (what) => console.error(`  ${what}`) })
    return openSqlStore(openPostgres({ url, poolMax: 1, connectTimeoutMs: 5000, statementTimeoutMs: 60_000 }))
  }
  const stores = { large: await open(many), small: await open(few) }
  const rows: BenchRow[] = []
  for (const [name, read] of Object.entries(reads)) {
    const large: number[] = []
    const small: number[] = []
    for (let round = 0; round <= rounds; round++) {
      const pair = {
        large: await latenciesMs(() => read(stores.large, spreadOf(many).subjects)),
        small: await latenciesMs(() => read(stores.small, spreadOf(few).subjects)),
      }
      // The first round warms up.
      if (round === 0) continue
      large.push(...pair.large)
      small.push(...pair.small)
    }
    rows.push({
      name: `${name}, of ${many.toLocaleString('en-US')} ratings (baseline: of ${few.toLocaleString('en-US')}); median, 99th percentile`,
      ours: summaryOf(large),
      baseline: summaryOf(small),
      ratio: median(large) / median(small),
    })
  }
  await Promise.all([stores.large.close(), stores.small.close()])
  await server.stop()
  return rows
}

function summaryOf(latencies: readonly number[]): string {
  const sorted = latencies.toSorted((a, b) => a - b)
  return `${median(latencies).toFixed(2)} ms, ${sorted[Math.floor(sorted.length * 0.99)]!.toFixed(2)} ms`
}

async function latenciesMs(read: () => Promise<unknown>): Promise<number[]> {
  const latencies: number[] = []
  for (let i = 0; i < readsARound; i++) {
    const startMs = performance.now()
    await read()
    latencies.push(performance.now() - startMs)
  }
  return latencies
}

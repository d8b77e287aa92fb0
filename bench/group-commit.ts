import { startPostgres } from '../test/support/postgres.ts'
import { GroupCommitter } from '../src/ratings/group-committer.ts'
import { openPostgres } from '../src/ratings/postgres-driver.ts'
import { openSqlStore } from '../src/ratings/sql-store.ts'
import type { RatingStore } from '../src/ratings/store.ts'
import type { RatingWrite } from '../src/ratings/types.ts'
import { median, perSecond, type BenchRow } from './report.ts'

/**
 * Ratings committed a second: in groups, against one statement a rating, through the same function of the same PostgreSQL (durable,
 * as it is by default), with the same connections and the same number of writers that each wait for their rating.
 */
const writers = 1000
const subjects = 5000
const connections = 4
const rounds = 5
const roundMs = 2500

export async function benchGroupCommit(): Promise<BenchRow[]> {
  const server = await startPostgres()
  const sql = openPostgres({
    url: server.url,
    poolMax: connections,
    connectTimeoutMs: 5000,
    statementTimeoutMs: 60_000,
  })
  const store = await openSqlStore(sql)
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const grouped = await ratingsPerSec(inGroups(store))
    const single = await ratingsPerSec(async (write) => store.putMany([write]))
    // The first round warms up.
    if (round === 0) continue
    ours.push(grouped)
    theirs.push(single)
  }
  await store.close()
  await server.stop()
  const ratio = median(ours.map((value, i) => value / theirs[i]!))
  return [
    {
      name: 'ratings committed in groups (baseline: one statement each)',
      ours: perSecond(median(ours)),
      baseline: perSecond(median(theirs)),
      ratio,
      goal: '≥ 8',
    },
  ]
}

function inGroups(store: RatingStore): (write: RatingWrite) => Promise<unknown> {
  const committer = new GroupCommitter({
    commit: (writes) => store.putMany(writes),
    maxDelayMs: 2,
    batchMax: 500,
    inFlightMax: 2,
    queueMax: 10_000,
  })
  return (write) => committer.put(write)
}

async function ratingsPerSec(put: (write: RatingWrite) => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  let done = 0
  let next = 0
  const writer = async (): Promise<void> => {
    while (performance.now() - startMs < roundMs) {
      const n = next++
      await put({
        subject: `subject${(n * 7919) % subjects}`,
        user: `user${n}`,
        score: 1 + (n % 5),
        comment: 'Good.',
      })
      done++
    }
  }
  await Promise.all(Array.from({ length: writers }, writer))
  return (done / (performance.now() - startMs)) * 1000
}

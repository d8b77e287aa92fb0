import { startPostgres } from '../test/support/postgres.ts'
import { GroupCommitter } from '../src/ratings/group-committer.ts'
import { openPostgres } from '../src/ratings/postgres-driver.ts'
import { openSqlStore } from '../src/ratings/sql-store.ts'
import type { RatingStore } from '../src/ratings/store.ts'
import type { RatingWrite } from '../src/ratings/types.ts'
import { median, perSecond, type BenchRow } from './report.ts'

/**
 * Ratings committed a second. First: in groups, against one statement a rating, through the same function of the same PostgreSQL (durable,
 * as it is by default), with the same connections and the same number of writers that each wait for their rating. Second: by three edges to ten
 * subjects, against as many ratings to 5,000 subjects, in batches small enough that they often meet.
 */
const writers = 1000
const subjects = 5000
const connections = 4
const hotSubjects = 10
const edges = 3
const hotBatchMax = 100
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
  const hot = await benchHotSubjects(await server.createDatabase())
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
    hot,
  ]
}

async function benchHotSubjects(url: string): Promise<BenchRow> {
  const stores = await Promise.all(
    Array.from({ length: edges }, () =>
      openSqlStore(
        openPostgres({ url, poolMax: connections, connectTimeoutMs: 5000, statementTimeoutMs: 60_000 }),
      ),
    ),
  )
  const putByEdge = stores.map((store) => inGroups(store, hotBatchMax))
  const put = (write: RatingWrite): Promise<unknown> => putByEdge[Math.floor(Math.random() * edges)]!(write)
  const hot: number[] = []
  const cold: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const rates = [await ratingsPerSec(put, subjects), await ratingsPerSec(put, hotSubjects)]
    if (round === 0) continue
    cold.push(rates[0]!)
    hot.push(rates[1]!)
  }
  await Promise.all(stores.map((store) => store.close()))
  return {
    name: 'ratings of 10 subjects by three edges (baseline: of 5,000 subjects)',
    ours: perSecond(median(hot)),
    baseline: perSecond(median(cold)),
    ratio: median(hot.map((value, i) => value / cold[i]!)),
    goal: '≥ 0.8',
  }
}

function inGroups(store: RatingStore, batchMax = 2000): (write: RatingWrite) => Promise<unknown> {
  const committer = new GroupCommitter({
    commit: (writes) => store.putMany(writes),
    maxDelayMs: 20,
    batchMax,
    inFlightMax: 4,
    queueMax: 10_000,
  })
  return (write) => committer.put(write)
}

async function ratingsPerSec(
  put: (write: RatingWrite) => Promise<unknown>,
  subjectCount = subjects,
): Promise<number> {
  const startMs = performance.now()
  let done = 0
  let next = 0
  const writer = async (): Promise<void> => {
    while (performance.now() - startMs < roundMs) {
      const n = next++
      await put({
        subject: `subject${(n * 7919) % subjectCount}`,
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

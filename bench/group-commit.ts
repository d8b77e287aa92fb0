import { startDelayingProxy } from '../test/support/delaying-proxy.ts'
import { startPostgres } from '../test/support/postgres.ts'
import type { BatchBounds } from '../src/ratings/batch-tuner.ts'
import { GroupCommitter } from '../src/ratings/group-committer.ts'
import { openPostgres } from '../src/ratings/postgres-driver.ts'
import { openSqlStore } from '../src/ratings/sql-store.ts'
import type { RatingStore } from '../src/ratings/store.ts'
import type { RatingWrite } from '../src/ratings/types.ts'
import { median, perSecond, type BenchRow } from './report.ts'

/**
 * Ratings committed a second to a PostgreSQL that is durable, as it is by default, by writers that each wait for their rating.
 * The two sides of a comparison have the same connections and the same number of writers.
 */
const connections = 4
export const manySubjects = 5000
const hotSubjects = 10
const edges = 3
const oceanDelayMs = 40
const rounds = 5
const roundMs = 2000

/** The defaults of the configuration. */
export const bounds: BatchBounds = { maxDelayMs: 20, batchMax: 2000, inFlightMax: 8 }
/** Small enough that batches of the same subjects meet often. */
const smallBatches = { ...bounds, batchMax: 100 }
/** What suits a store next door. */
const nearBounds: BatchBounds = { maxDelayMs: 2, batchMax: 500, inFlightMax: 2 }

type Put = (write: RatingWrite) => Promise<unknown>

interface Side {
  readonly put: Put
  readonly subjects: number
}

export async function benchGroupCommit(): Promise<BenchRow[]> {
  const server = await startPostgres()
  const stores: RatingStore[] = []
  const open = async (url: string): Promise<RatingStore> => {
    const options = { url, poolMax: connections, connectTimeoutMs: 5000, statementTimeoutMs: 60_000 }
    const store = await openSqlStore(openPostgres(options))
    stores.push(store)
    return store
  }
  const near = await open(server.url)
  const oneEach = { put: (write: RatingWrite) => near.putMany([write]), subjects: manySubjects }
  const grouped = await compare(
    { name: 'ratings committed in groups (baseline: one statement each)', goal: '≥ 8', writers: 1000 },
    { put: inGroups(near, bounds), subjects: manySubjects },
    oneEach,
  )

  const url = await server.createDatabase()
  const ofEdges: Put[] = []
  for (let edge = 0; edge < edges; edge++) ofEdges.push(inGroups(await open(url), smallBatches))
  const put: Put = (write) => ofEdges[Math.floor(Math.random() * edges)]!(write)
  const hot = await compare(
    {
      name: 'ratings of 10 subjects by three edges (baseline: of 5,000 subjects)',
      goal: '≥ 0.8',
      writers: 1000,
    },
    { put, subjects: hotSubjects },
    { put, subjects: manySubjects },
  )

  const farUrl = new URL(await server.createDatabase())
  const ocean = await startDelayingProxy({ targetPort: Number(farUrl.port), delayMs: oceanDelayMs })
  farUrl.port = String(ocean.port)
  const far = await open(farUrl.href)
  const remote = await compare(
    {
      name: 'ratings over a round trip of 80 ms (baseline: 2 batches of 500 at once)',
      goal: '≥ 1.5',
      writers: 4000,
    },
    { put: inGroups(far, bounds), subjects: manySubjects },
    { put: inGroups(far, nearBounds), subjects: manySubjects },
  )

  await Promise.all(stores.map((store) => store.close()))
  await ocean.close()
  await server.stop()
  return [grouped, hot, remote]
}

/** Measures two sides in turns; the first round warms up. */
async function compare(
  { name, goal, writers }: { name: string; goal: string; writers: number },
  ours: Side,
  baseline: Side,
): Promise<BenchRow> {
  const rates: { ours: number; baseline: number }[] = []
  for (let round = 0; round <= rounds; round++)
    rates.push({
      ours: await ratingsPerSec(ours, writers),
      baseline: await ratingsPerSec(baseline, writers),
    })
  const measured = rates.slice(1)
  return {
    name,
    goal,
    ours: perSecond(median(measured.map((rate) => rate.ours))),
    baseline: perSecond(median(measured.map((rate) => rate.baseline))),
    ratio: median(measured.map((rate) => rate.ours / rate.baseline)),
  }
}

export function inGroups(store: RatingStore, within: BatchBounds): Put {
  const commit = (writes: readonly RatingWrite[]): ReturnType<RatingStore['putMany']> => store.putMany(writes)
  const committer = new GroupCommitter({ ...within, commit, queueMax: 10_000 })
  return (write) => committer.put(write)
}

export async function ratingsPerSec({ put, subjects }: Side, writers: number): Promise<number> {
  const startMs = performance.now()
  let done = 0
  let next = 0
  const writer = async (): Promise<void> => {
    while (performance.now() - startMs < roundMs) {
      const n = next++
      const subject = `subject${(n * 7919) % subjects}`
      await put({ subject, user: `user${n}`, score: 1 + (n % 5), comment: 'Good.' })
      done++
    }
  }
  await Promise.all(Array.from({ length: writers }, writer))
  return (done / (performance.now() - startMs)) * 1000
}

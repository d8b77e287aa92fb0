import { setTimeout as delay } from 'node:timers/promises'
import { Random } from '../../sim/random.ts'
import { eventually } from '../support/eventually.ts'
import { faults } from './faults.ts'
import type { FaultWorld } from './world.ts'
import { countOutcomes, runWriter, wrongs, type History } from './writers.ts'

export interface RunResult {
  readonly fault: string
  readonly counts: ReturnType<typeof countOutcomes>
  /** Answers that the store doesn't bear out, and summaries that are not what their ratings come to. */
  readonly wrongs: readonly string[]
  readonly deadlocks: number
}

const writers = 10
let runs = 0

/**
 * Lets writers at the edges while a fault strikes, one of chance unless it is named; waits until all is mended and flushed, and
 * checks what the store holds.
 */
export async function runFault(world: FaultWorld, seed: number, named?: string): Promise<RunResult> {
  const random = new Random(seed)
  const fault = named ?? random.pick(Object.keys(faults))
  const name = `s${seed}r${++runs}`
  let isOver = false
  const urls = world.edges.map(({ url }) => url)
  const writing = Array.from({ length: writers }, (_, n) =>
    runWriter(`${name}w${n}`, { urls, random: new Random(seed * 1000 + n), isOver: () => isOver }),
  )
  await delay(random.whole(50, 500))
  await faults[fault]!(world, random)
  await delay(random.whole(0, 300))
  isOver = true
  const histories = await Promise.all(writing)
  world.requireHealthyEdges()
  await untilFlushed(world)
  return { fault, counts: countOutcomes(histories), ...(await check(world, name, histories)) }
}

/** JetStream gives a rating to another edge half a minute after it gave it to one that didn't get it. */
const flushedWithin = { longestMs: 90_000 }

async function untilFlushed(world: FaultWorld): Promise<void> {
  await eventually(async () => {
    const queued = await world.queued()
    if (queued > 0) throw new Error(`${queued} ratings wait in the queues`)
    for (const { url } of world.edges) {
      const answer = await fetch(`${url}/ready`)
      const { checks } = (await answer.json()) as { checks: { store: string } }
      if (checks.store !== 'answers') throw new Error(`an edge is not ready: the store ${checks.store}`)
    }
  }, flushedWithin)
}

function check(
  world: FaultWorld,
  name: string,
  histories: readonly History[],
): Promise<Pick<RunResult, 'wrongs' | 'deadlocks'>> {
  return world.withStore(async (sql) => {
    const rows = await sql<{ user_id: string; subject: string; comment: string }[]>`
      select user_id, subject, comment from ratings where user_id like ${`${name}w%`}`
    const byUser = Map.groupBy(rows, (row) => row.user_id)
    const lost = histories.flatMap((history) => {
      const own = byUser.get(history.user) ?? []
      return wrongs(history, new Map(own.map(({ subject, comment }) => [subject, comment])))
    })
    const drifted = await sql<{ subject: string }[]>`
      with counted as (
        select subject, array[count(*), count(*) filter (where score = 1), count(*) filter (where score = 2),
          count(*) filter (where score = 3), count(*) filter (where score = 4), count(*) filter (where score = 5)] as n
        from ratings group by subject
      ), summed as (
        select subject, array[sum(count), sum(scores_1), sum(scores_2), sum(scores_3), sum(scores_4), sum(scores_5)]::bigint[] as n
        from subject_summaries group by subject
      )
      select coalesce(c.subject, s.subject) as subject from counted c full join summed s on s.subject = c.subject
      where coalesce(c.n, '{0,0,0,0,0,0}') <> coalesce(s.n, '{0,0,0,0,0,0}')`
    const [stats] = await sql<{ deadlocks: number }[]>`
      select deadlocks::int from pg_stat_database where datname = current_database()`
    const summaries = drifted.map(
      ({ subject }) => `the summary of ${subject} is not what its ratings come to`,
    )
    return { wrongs: [...lost, ...summaries], deadlocks: stats!.deadlocks }
  })
}

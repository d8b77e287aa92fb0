import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { operations } from '../src/http/app.ts'
import { problems } from '../src/http/problems.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import { figuresOf, newLimiter } from './metrics-limiter.ts'
import { median, type BenchRow } from './report.ts'
import { installWrk, load } from './wrk.ts'

const scrapes = 101
const manyBuckets = 1_000_000
const fewBuckets = 1000
const scrapeGoalMs = 20
const warmUpSeconds = 5
const seconds = 30
const serverCore = '0'
const costGoal = 1.03

interface Turn {
  readonly on: number
  readonly off: number
}

/** What metrics cost: a scrape with many buckets, and counting and timing each request. */
export async function benchMetrics(): Promise<BenchRow[]> {
  return [await benchScrape(), await benchObserve()]
}

/** Few buckets against many, in turns. */
async function benchScrape(): Promise<BenchRow> {
  const many = filledMetrics(manyBuckets)
  const few = filledMetrics(fewBuckets)
  const times = { many: [] as number[], few: [] as number[] }
  for (let i = 0; i < scrapes; i++) {
    times.many.push(await timeOf(many))
    times.few.push(await timeOf(few))
  }
  const [manyMs, fewMs] = [median(times.many), median(times.few)]
  return {
    name: `a scrape at ${manyBuckets.toLocaleString('en-US')} buckets (baseline: at ${fewBuckets.toLocaleString('en-US')})`,
    ours: `${manyMs.toFixed(2)} ms`,
    baseline: `${fewMs.toFixed(2)} ms`,
    ratio: manyMs / fewMs,
    goal: `≤ ${scrapeGoalMs} ms`,
  }
}

/** Of an edge that has answered every call in every way. */
function filledMetrics(buckets: number): Metrics {
  const { limiter } = newLimiter()
  for (let i = 0; i < buckets; i++) limiter.take('ratings', `user:${i}`)
  // A whole pass over the table, as an edge makes in its spare time.
  for (let i = 0; i < buckets; i += 10_000) limiter.tick()
  if (limiter.stats()[0]!.bucketsInUse !== buckets) throw new Error('the buckets are not all in use')
  const metrics = new Metrics('us-east-1', () => figuresOf(limiter))
  for (const { path } of operations) {
    for (const status of [200, ...Object.values(problems).map((problem) => problem.status)])
      metrics.observeRequest({ route: path, status, durationMs: 1 })
  }
  return metrics
}

async function timeOf(metrics: Metrics): Promise<number> {
  const startMs = performance.now()
  await metrics.scrape()
  return performance.now() - startMs
}

/** CPU time a request, which is steadier than throughput, of takes over HTTP. */
async function benchObserve(): Promise<BenchRow> {
  installWrk()
  const file = fileURLToPath(new URL('metrics-server.ts', import.meta.url))
  const child = spawn('taskset', ['-c', serverCore, process.execPath, file], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  try {
    const url = await message<string>(child)
    load(url, 'take.lua', warmUpSeconds)
    await ask<Turn[]>(child)
    load(url, 'take.lua', seconds)
    const turns = (await ask<Turn[]>(child)).filter(({ on, off }) => Number.isFinite(on / off))
    return {
      name: 'CPU a request, take over HTTP with metrics (baseline: without)',
      ours: `${median(turns.map(({ on }) => on)).toFixed(1)} µs`,
      baseline: `${median(turns.map(({ off }) => off)).toFixed(1)} µs`,
      ratio: median(turns.map(({ on, off }) => on / off)),
      goal: `≤ ${costGoal}`,
    }
  } finally {
    child.disconnect()
  }
}

function ask<T>(child: ChildProcess): Promise<T> {
  const answer = message<T>(child)
  child.send('report')
  return answer
}

async function message<T>(child: ChildProcess): Promise<T> {
  const [sent] = (await once(child, 'message')) as [T]
  return sent
}

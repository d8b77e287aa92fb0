import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { markdownTable } from '../src/load/markdown-table.ts'
import type { RegionResult } from '../src/load/meter.ts'
import type { LoadResult } from '../src/load/run.ts'
import { exhaustedPercent } from '../src/load/thresholds.ts'
import { startCli } from '../test/support/cli.ts'
import { eventually } from '../test/support/eventually.ts'
import { Regions, regions, type Region } from '../test/support/regions.ts'
import { post } from '../test/support/traffic.ts'
import { processorSeconds } from './processor-time.ts'
import { startServer } from './http.ts'
import { median } from './report.ts'

/**
 * `npm run bench:guide`: the guide's benchmark on one machine. Three edge processes, three NATS servers joined by gateways
 * through proxies that delay by 40, 75 and 110 ms, one PostgreSQL, and `openclaw load` in a process of its own.
 */
const guide: Readonly<
  Record<Region, { name: string; perSec: number; p95Ms: number; exhausted: number; share: Share }>
> = {
  us: {
    name: 'US-East-1',
    perSec: 10_200,
    p95Ms: 87,
    exhausted: 2.3,
    share: { capacity: 5000, refill: 100 },
  },
  eu: {
    name: 'EU-Central-1',
    perSec: 9800,
    p95Ms: 94,
    exhausted: 3.1,
    share: { capacity: 4000, refill: 80 },
  },
  ap: {
    name: 'AP-Southeast-2',
    perSec: 9500,
    p95Ms: 102,
    exhausted: 4,
    share: { capacity: 3000, refill: 60 },
  },
}
const guidePerSec = regions.reduce((sum, region) => sum + guide[region].perSec, 0)
const users = 100_000
/** With it, the guide's load and limits refuse about as much as the guide says. */
const userSkew = 0.83
const rounds = 8
const roundSec = 4
const steadySec = 12
const latencyRuns = 3
const latencySec = 6
/** The load generator, too, is slow until its code is compiled. */
const rampSec = 5
/** Of the rate at which everything is busy. */
const steadyPart = 0.7
const connections = 64
/** Each waits for two round trips. */
const farConnections = 512
/** More than anything here answers. */
const beyondPerSec = 10_000

interface Share {
  readonly capacity: number
  readonly refill: number
}

interface Load {
  /** Unless told otherwise, all. */
  readonly in?: readonly Region[]
  readonly workload?: 'rate-and-read' | 'take'
  /** In each region. */
  readonly perSec: number
  readonly seconds: number
  readonly rampSec?: number
  readonly connections?: number
}

interface Measured extends LoadResult {
  /** Of all regions together. */
  readonly answeredPerSec: number
  /** Processor time, by what the processes are. */
  readonly processorSec: ReadonlyMap<string, number>
}

const directory = await mkdtemp(join(tmpdir(), 'openclaw-guide-'))

const limitsOf = (name: string, part: number): string => {
  const shares = regions.map((region) => {
    const { capacity, refill } = guide[region].share
    return [region, { capacity: Math.max(1, Math.round(capacity * part)), refill_per_sec: refill * part }]
  })
  return `limits: ${JSON.stringify({ [name]: { shares: Object.fromEntries(shares) } })}`
}
const limited = limitsOf('ratings', 1)
/** No limit guards the ratings. */
const unlimited = limitsOf('unused', 1)

async function runLoad(cluster: Pick<Regions, 'url'>, load: Load): Promise<Measured> {
  const file = join(directory, 'load.json')
  const options = {
    '--workload': load.workload ?? 'rate-and-read',
    '--rate': load.perSec,
    '--duration': `${load.seconds}s`,
    '--ramp': `${load.rampSec ?? 0}s`,
    '--connections': load.connections ?? connections,
    '--users': users,
    '--user-skew': userSkew,
    '--json': file,
  }
  const targets = (load.in ?? regions).flatMap((region) => ['--target', `${region}=${cluster.url(region)}`])
  const before = processorSeconds()
  const run = startCli(['load', ...targets, ...Object.entries(options).flat().map(String)])
  if ((await run.ended()) !== 0) throw new Error(`the load ended early:\n${run.output()}`)
  const after = processorSeconds()
  const result = JSON.parse(await readFile(file, 'utf8')) as LoadResult
  for (const { region, failures, queued } of result.regions)
    for (const [what, count] of Object.entries({ ...failures, queued }))
      if (count > 0) console.error(`  ${region}: ${what}: ${count}`)
  const processorSec = new Map([...after].map(([kind, sec]) => [kind, sec - (before.get(kind) ?? 0)]))
  processorSec.set('load generator', result.generatorCores * secondsOf(result))
  const answeredPerSec = result.regions.reduce((sum, { throughputPerSec }) => sum + throughputPerSec, 0)
  return { ...result, answeredPerSec, processorSec }
}

const secondsOf = ({ options: { rampMs, durationMs } }: LoadResult): number => (rampMs + durationMs) / 1000

/** Puts limits in force in all regions. */
async function setLimits(
  cluster: Regions,
  limits: string,
  ratingsCapacity: number | undefined,
): Promise<void> {
  await cluster.setLimits(limits)
  for (const region of regions)
    await eventually(async () => {
      const answer = await fetch(`${cluster.url(region)}/v1/limits/ratings/buckets/nobody`)
      const { capacity } = (await answer.json()) as { capacity?: number }
      if (capacity !== ratingsCapacity) throw new Error(`${region} has a capacity of ${capacity}`)
    })
}

const capacityOf = (part: number): number =>
  regions.reduce((sum, region) => sum + Math.max(1, Math.round(guide[region].share.capacity * part)), 0)

/** Requests a second of each user whose bucket is empty in the long run, the heaviest first; and what he gets. */
function heavyUsers(totalPerSec: number, part: number): { askedPerSec: number[]; refillPerSec: number } {
  const weights = Array.from({ length: users }, (_, at) => (at + 1) ** -userSkew)
  const total = weights.reduce((sum, weight) => sum + weight)
  const refillPerSec = regions.reduce((sum, region) => sum + guide[region].share.refill * part, 0)
  const askedPerSec = weights
    .map((weight) => (totalPerSec * weight) / total)
    .filter((perSec) => perSec > refillPerSec)
  return { askedPerSec, refillPerSec }
}

/** The guide's table: at a steady rate, with limits as small as the load is, and heavy users' buckets empty as in the long run. */
async function steady(cluster: Regions, perSec: number, more: Partial<Load> = {}): Promise<string> {
  const part = (perSec * regions.length) / guidePerSec
  const { askedPerSec, refillPerSec } = heavyUsers(perSec * regions.length, part)
  await setLimits(cluster, limitsOf('ratings', part), capacityOf(part))
  for (const at of askedPerSec.keys())
    await post(`${cluster.url('us')}/v1/limits/ratings/take`, {
      key: `load-user-${at + 1}`,
      cost: capacityOf(part),
    })
  const result = await runLoad(cluster, { perSec, seconds: steadySec, rampSec, ...more })
  const refused =
    askedPerSec.reduce((sum, asked) => sum + asked - refillPerSec, 0) / (perSec * regions.length)
  const rows = result.regions.map((measured) => {
    const { name, perSec: theirs, p95Ms, exhausted } = guide[measured.region as Region]
    return [
      name,
      whole(theirs),
      whole(measured.throughputPerSec),
      String(p95Ms),
      measured.latencyMs.p95.toFixed(1),
      measured.latencyMs.p50.toFixed(1),
      exhausted.toFixed(1),
      exhaustedPercent(measured).toFixed(1),
    ]
  })
  const head = [
    'region',
    'guide: req/s',
    'req/s',
    'guide: p95 ms',
    'p95 ms',
    'p50 ms',
    'guide: exhaustion %',
    'exhaustion %',
  ]
  return [
    markdownTable([head, ...rows]),
    `One central bucket would refuse ${(100 * refused).toFixed(1)} %.`,
    coresUsed(result),
  ].join('\n\n')
}

function coresUsed(measured: Measured): string {
  const parts = [...measured.processorSec]
    .map(([kind, sec]) => [kind, sec / secondsOf(measured)] as const)
    .toSorted(([, a], [, b]) => b - a)
  const all = parts.reduce((sum, [, used]) => sum + used, 0)
  const each = parts.map(([kind, used]) => `${kind} ${used.toFixed(2)}`).join(', ')
  return `Cores used: ${all.toFixed(2)} of ${availableParallelism()}: ${each}.`
}

const whole = (value: number): string => Math.round(value).toLocaleString('en-US')
const worst = (results: readonly RegionResult[], of: (result: RegionResult) => number): number =>
  Math.max(...results.map(of))

interface Pair {
  readonly limited: Measured
  readonly unlimited: Measured
}

/** Beyond what the machine can do, with limiting and without, in turns. */
async function limiterCost(cluster: Regions): Promise<Pair[]> {
  const pairs: Pair[] = []
  const load = { perSec: beyondPerSec, seconds: roundSec }
  const runLimited = async (): Promise<Measured> => {
    await setLimits(cluster, limited, capacityOf(1))
    return runLoad(cluster, load)
  }
  const runUnlimited = async (): Promise<Measured> => {
    await setLimits(cluster, unlimited, undefined)
    return runLoad(cluster, load)
  }
  for (let round = 0; round <= rounds; round++) {
    // Each goes first in every other round: what comes later has more ratings in the store.
    const first = round % 2 === 0 ? await runLimited() : await runUnlimited()
    const second = round % 2 === 0 ? await runUnlimited() : await runLimited()
    const pair = round % 2 === 0 ? [first, second] : [second, first]
    // The first round warms up.
    if (round > 0) pairs.push({ limited: pair[0]!, unlimited: pair[1]! })
  }
  await setLimits(cluster, limited, capacityOf(1))
  return pairs
}

function costTable(pairs: readonly Pair[]): string {
  const edgeUs = ({ processorSec, regions: results }: Measured): number =>
    (1e6 * processorSec.get('edges')!) / results.reduce((sum, { answered }) => sum + answered, 0)
  const row = (name: string, of: (one: Measured) => number): string[] => {
    const ratio = median(pairs.map((pair) => of(pair.limited) / of(pair.unlimited)))
    const [on, off] = [
      median(pairs.map((pair) => of(pair.limited))),
      median(pairs.map((pair) => of(pair.unlimited))),
    ]
    return [name, whole(on), whole(off), `${ratio >= 1 ? '+' : ''}${(100 * (ratio - 1)).toFixed(1)} %`]
  }
  return markdownTable([
    ['', 'with limiting', 'without', 'difference'],
    row('operations a second, three regions', ({ answeredPerSec }) => answeredPerSec),
    row("edges' processor time an operation, µs", edgeUs),
  ])
}

async function nearStore(): Promise<number> {
  const cluster = await Regions.start(limited, { storeIn: 'every region' })
  try {
    console.error('With limiting and without, in turns …')
    const pairs = await limiterCost(cluster)
    const saturatedPerSec = median(pairs.map((pair) => pair.limited.answeredPerSec)) / regions.length
    console.log(
      `## The limiter's cost, all busy\n\n${costTable(pairs)}\n\n${coresUsed(pairs.at(-1)!.limited)}\n`,
    )
    console.error('At a steady rate …')
    const steadyPerSec = Math.floor(saturatedPerSec * steadyPart)
    console.log(
      `## The guide's table, the store near every region\n\n${await steady(cluster, steadyPerSec)}\n`,
    )
    return steadyPerSec
  } finally {
    await cluster.stop()
  }
}

/** Of a decision, and of a rating, with one region under load and with all. On edges that have just started. */
async function belowTheMost(): Promise<void> {
  const cluster = await Regions.start(limited, { storeIn: 'every region' })
  const bare = await startServer([fileURLToPath(new URL('bare-server.ts', import.meta.url))], {})
  try {
    console.error('At half and a quarter of the rate …')
    const [one, three] = [regions.slice(0, 1), regions]
    const decision = {
      what: 'a limiter decision over HTTP',
      workload: 'take',
      step: 'take',
      goalMs: 5,
    } as const
    const rating = {
      what: 'a rating committed in the region',
      workload: 'rate-and-read',
      step: 'write',
      goalMs: 25,
    } as const
    const measured = [
      await latencies(cluster, { ...decision, within: one, bare }),
      await latencies(cluster, { ...rating, within: one }),
      await latencies(cluster, { ...decision, within: three }),
      await latencies(cluster, { ...rating, within: three }),
    ]
    const head = [
      'worst region, ms',
      'most a second',
      'p50 at half of it',
      'p95',
      'p99',
      'p95 at a quarter',
      'goal: p95 at half',
    ]
    const table = markdownTable([head, ...measured.flatMap(({ rows }) => rows)])
    console.log(`## Latency below the most\n\n${[table, ...measured.map(({ used }) => used)].join('\n\n')}\n`)
  } finally {
    bare.stop()
    await cluster.stop()
  }
}

interface Latency {
  readonly what: string
  readonly workload: NonNullable<Load['workload']>
  readonly step: string
  readonly goalMs: number
  readonly within: readonly Region[]
  /** Gets the same load, in turns. */
  readonly bare?: { readonly url: string }
}

async function latencies(
  cluster: Regions,
  { what, workload, step, goalMs, within, bare }: Latency,
): Promise<{ rows: string[][]; used: string }> {
  const load = { in: within, workload }
  const most = await runLoad(cluster, { ...load, perSec: beyondPerSec, seconds: roundSec })
  const runAt = (part: number, at: Pick<Regions, 'url'>): Promise<Measured> => {
    const perSec = Math.floor((most.answeredPerSec / within.length) * part)
    return runLoad(at, { ...load, perSec, seconds: latencySec, rampSec })
  }
  const halves: Measured[] = []
  const quarters: Measured[] = []
  const bares: Measured[] = []
  for (let run = 0; run < latencyRuns; run++) {
    halves.push(await runAt(1 / 2, cluster))
    if (bare) bares.push(await runAt(1 / 2, { url: () => bare.url }))
    quarters.push(await runAt(1 / 4, cluster))
  }
  const percentile = (of: 'p50' | 'p95' | 'p99', runs: readonly Measured[]): string =>
    ms(median(runs.map((run) => worst(run.regions, ({ stepsMs }) => stepsMs[step]![of]))))
  const percentiles = (runs: readonly Measured[]): string[] =>
    (['p50', 'p95', 'p99'] as const).map((of) => percentile(of, runs))
  const where = within.length > 1 ? 'three regions' : 'one region'
  return {
    rows: [
      [
        `${what}, ${where}`,
        whole(most.answeredPerSec),
        ...percentiles(halves),
        percentile('p95', quarters),
        `< ${goalMs}`,
      ],
      ...(bare
        ? [['a bare HTTP server, held to one core, at the same rate', '', ...percentiles(bares), '', '']]
        : []),
    ],
    used: `${what}, ${where}, at half: ${coresUsed(halves.at(-1)!)}`,
  }
}

const ms = (value: number): string => value.toFixed(1)

async function farStore(perSec: number): Promise<void> {
  const cluster = await Regions.start(limited, { storeIn: 'one region' })
  try {
    console.error('With the store in one region …')
    const warmUp = { perSec, seconds: roundSec, connections: farConnections }
    await runLoad(cluster, warmUp)
    const table = await steady(cluster, perSec, { connections: farConnections })
    console.log(`## The guide's table, the store in US-East-1\n\n${table}\n`)
  } finally {
    await cluster.stop()
  }
}

try {
  // `npm run bench:guide -- latency` measures that alone.
  const steadyPerSec = process.argv[2] === 'latency' ? undefined : await nearStore()
  await belowTheMost()
  if (steadyPerSec !== undefined) await farStore(steadyPerSec)
} finally {
  await rm(directory, { recursive: true, force: true })
}
// What is left of connections between servers that are gone would keep the process alive.
process.exit(0)

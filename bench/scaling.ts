import { existsSync, readFileSync } from 'node:fs'
import postgres from 'postgres'
import { Random } from '../sim/random.ts'
import { Zipf } from '../sim/accuracy/wire.ts'
import { Limiter, quietPartDefault } from '../src/limiter/limiter.ts'
import { InProcessNetwork } from '../src/replication/in-process.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { bounds, inGroups, manySubjects, ratingsPerSec } from './group-commit.ts'
import { openPostgres } from '../src/ratings/postgres-driver.ts'
import { openSqlStore } from '../src/ratings/sql-store.ts'

/** `npm run scaling`: what a unit of work costs, measured, and what follows for large deployments: the tables of docs/scaling.md. */
const users = 1_000_000
const zipfExponent = 1.1
const perSecOfRegion = 2000
const seconds = 20
const stepMs = 5
const batchMs = 50
const limit = { capacity: 120, refillPerSec: 10 }
const bucketsForMemory = 200_000
const writers = 1000
/** What one edge answers on one core (docs/benchmarks.md, HTTP take). */
const takesOfEdgePerSec = 16_500
/** Of an edge's core that requests may use, so that merging and peaks find room. */
const loadOfEdge = 0.7
/** Of all requests, those that write a rating. */
const ratingsPart = 0.1

const deployments = [
  { regions: 3, perSec: 10_000 },
  { regions: 3, perSec: 100_000 },
  { regions: 10, perSec: 300_000 },
  { regions: 20, perSec: 1_000_000 },
]

/** CPU time of this thread so far: other work on the machine doesn't count. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** Replicas on a network whose messages wait until they are told to arrive. */
class Cluster {
  nowMs = 0
  readonly limiters: readonly Limiter[]
  readonly #waiting: (() => void)[] = []

  constructor(replicas: readonly string[], quietPart: number) {
    const network = new InProcessNetwork({
      delayMs: () => 0,
      schedule: (deliver) => void this.#waiting.push(deliver),
      inFlightMax: 1e6,
    })
    const regions = [...new Set(replicas.map((replica) => replica.split('/')[0]!))]
    const share = {
      capacity: limit.capacity / regions.length,
      refillPerSec: limit.refillPerSec / regions.length,
    }
    this.limiters = replicas.map(
      (replica) =>
        new Limiter({
          transport: network.connect(replica),
          limits: [
            {
              name: 'ratings',
              mode: 'pooled',
              shares: Object.fromEntries(regions.map((region) => [region, share])),
              overrides: [],
              bucketsMax: 4_000_000,
            },
          ],
          hashKey: { lo: 1, hi: 2 },
          incarnation: 1,
          contactTimeoutMs: 600,
          quietPart,
          nowMs: () => this.nowMs,
        }),
    )
  }

  /** Lets time pass; answers the milliseconds of CPU that receiving took. */
  step(): number {
    this.nowMs += stepMs
    const isBatch = this.nowMs % batchMs === 0
    for (const limiter of this.limiters) {
      limiter.tickUrgent()
      if (isBatch) limiter.tick()
    }
    const startMs = cpuMs()
    for (const deliver of this.#waiting.splice(0)) deliver()
    return cpuMs() - startMs
  }

  run(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) this.step()
  }

  sum(figure: 'bytesSent' | 'entriesSent' | 'entriesReceived' | 'batchesSent'): number {
    return this.limiters.reduce((sum, limiter) => sum + limiter.replication[figure], 0)
  }
}

interface Traffic {
  /** To each other replica. */
  readonly bytesPerDecision: number
  readonly entriesPerDecision: number
  readonly bytesPerEntry: number
  readonly mergeNs: number
  readonly decisionNs: number
}

/** Three regions under the long-tail workload of docs/accuracy.md. */
function measureTraffic(quietPart: number): Traffic {
  const cluster = new Cluster(['a/0', 'b/0', 'c/0'], quietPart)
  cluster.run(3000)
  const random = new Random(1)
  const zipf = new Zipf(users, zipfExponent)
  const idle = { bytes: heartbeatBytes(3) * ((seconds * 1000) / batchMs) * 3 }
  const before = {
    bytes: cluster.sum('bytesSent'),
    sent: cluster.sum('entriesSent'),
    received: cluster.sum('entriesReceived'),
  }
  let [decisions, decisionMs, mergeMs] = [0, 0, 0]
  for (const endMs = cluster.nowMs + seconds * 1000; cluster.nowMs < endMs;) {
    for (const limiter of cluster.limiters) {
      const asked = Array.from({ length: (perSecOfRegion * stepMs) / 1000 }, () => `user${zipf.next(random)}`)
      const startMs = cpuMs()
      for (const user of asked) limiter.take('ratings', user)
      decisionMs += cpuMs() - startMs
      decisions += asked.length
    }
    mergeMs += cluster.step()
  }
  const sent = cluster.sum('entriesSent') - before.sent
  const bytes = cluster.sum('bytesSent') - before.bytes - idle.bytes
  return {
    bytesPerDecision: bytes / decisions,
    entriesPerDecision: sent / decisions,
    bytesPerEntry: bytes / sent,
    mergeNs: (mergeMs / (cluster.sum('entriesReceived') - before.received)) * 1e6,
    decisionNs: (decisionMs / decisions) * 1e6,
  }
}

const replicaNames = (count: number): string[] => Array.from({ length: count }, (_, i) => `region${i}/0`)

/** Bytes of a batch without news, to each other replica. */
function heartbeatBytes(replicas: number): number {
  const cluster = new Cluster(replicaNames(replicas), quietPartDefault)
  cluster.run(2000)
  const before = { bytes: cluster.sum('bytesSent'), batches: cluster.sum('batchesSent') }
  cluster.run(1000)
  return (cluster.sum('bytesSent') - before.bytes) / (cluster.sum('batchesSent') - before.batches)
}

/** The table's free room counted. */
function bucketBytes(replicas: number): number {
  const cluster = new Cluster(replicaNames(replicas), quietPartDefault)
  cluster.run(1000)
  const [first] = cluster.limiters
  for (let n = 0; n < bucketsForMemory; n++) first!.take('ratings', `user${n}`)
  const [stats] = first!.stats()
  return stats!.bytes / stats!.buckets
}

/** Ratings that a core of the store commits in a second, by the CPU time of the server's processes. Linux only. */
async function ratingsOfStoreCorePerSec(): Promise<number> {
  const server = await startPostgres()
  const options = { url: server.url, poolMax: 4, connectTimeoutMs: 5000, statementTimeoutMs: 60_000 }
  const store = await openSqlStore(openPostgres(options))
  const side = { put: inGroups(store, bounds), subjects: manySubjects }
  await ratingsPerSec(side, writers)
  const before = await cpuSeconds(server.url)
  const startMs = performance.now()
  const perSec = await ratingsPerSec(side, writers)
  const ratings = (perSec * (performance.now() - startMs)) / 1000
  const used = (await cpuSeconds(server.url)) - before
  await store.close()
  await server.stop()
  return ratings / used
}

/** CPU time of all processes of a server so far. */
async function cpuSeconds(url: string): Promise<number> {
  const sql = postgres(url, { max: 1 })
  const rows = await sql`select pid from pg_stat_activity where pid <> pg_backend_pid()`
  await sql.end()
  const ticks = rows.map(({ pid }) => {
    const file = `/proc/${pid}/stat`
    if (!existsSync(file)) return 0
    // Behind the name, which may hold blanks: state is field 3, utime and stime 14 and 15 (proc(5)), in hundredths of a second.
    const fields = readFileSync(file, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    return Number(fields[11]) + Number(fields[12])
  })
  return ticks.reduce((sum, one) => sum + one, 0) / 100
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}

const format = (value: number, digits = 0): string =>
  value.toLocaleString('en-US', { maximumFractionDigits: digits, minimumFractionDigits: digits })

const typical = measureTraffic(quietPartDefault)
const worst = measureTraffic(0)
const heartbeats = new Map([3, 20, 90].map((count) => [count, heartbeatBytes(count)]))
const memory = new Map([3, 20, 90].map((count) => [count, bucketBytes(count)]))
const storePerCore = await ratingsOfStoreCorePerSec()

console.log(
  table(
    ['unit', 'measured'],
    [
      ['CPU a decision, in memory', `${format(typical.decisionNs)} ns`],
      [
        'entries sent a decision, to each other replica',
        `${format(typical.entriesPerDecision, 2)} (all news sent at once: ${format(worst.entriesPerDecision, 2)})`,
      ],
      ['bytes of an entry', `${format(worst.bytesPerEntry, 1)} B`],
      [
        'bytes a decision, to each other replica',
        `${format(typical.bytesPerDecision, 1)} B (all news sent at once: ${format(worst.bytesPerDecision, 1)} B)`,
      ],
      ['CPU an entry merged', `${format(worst.mergeNs)} ns`],
      ...[...heartbeats].map(([count, bytes]) => [
        `bytes of a heartbeat, ${count} replicas`,
        `${format(bytes)} B`,
      ]),
      ...[...memory].map(([count, bytes]) => [`memory a bucket, ${count} replicas`, `${format(bytes)} B`]),
      ['ratings committed a second and core of the store', format(storePerCore)],
    ],
  ),
)

/** Between two measured numbers of replicas, and beyond them, in a straight line. */
function at(measured: ReadonlyMap<number, number>, count: number): number {
  const [[x0, y0], [x1, y1]] = [[...measured][0]!, [...measured].at(-1)!]
  return y0 + ((y1 - y0) * (count - x0)) / (x1 - x0)
}

console.log()
console.log(
  table(
    [
      'requests a second, regions',
      'edges a region',
      'replicas',
      'out of a region',
      'into an edge',
      'CPU for merging, an edge',
      'memory an edge, 1 million users in use',
      'store, a tenth of the requests being ratings',
    ],
    deployments.map(({ regions, perSec }) => {
      const edges = Math.ceil(perSec / regions / (takesOfEdgePerSec * loadOfEdge))
      const replicas = regions * edges
      const batchesPerSec = 1000 / batchMs
      const heard = (replicas - 1) / replicas
      const beats = at(heartbeats, replicas) * batchesPerSec
      const outOfRegion = (regions - 1) * ((perSec / regions) * typical.bytesPerDecision + edges * beats)
      const intoEdge = perSec * heard * typical.bytesPerDecision + (replicas - 1) * beats
      const merging = (perSec * heard * typical.entriesPerDecision * worst.mergeNs) / 1e9
      return [
        `${format(perSec)} in ${regions}`,
        String(edges),
        String(replicas),
        `${format(outOfRegion / 1e6, 1)} MB/s`,
        `${format(intoEdge / 1e6, 1)} MB/s`,
        `${format(merging * 100, 1)} % of a core`,
        `${format(at(memory, replicas))} MB`,
        `${format((perSec * ratingsPart) / storePerCore, 1)} cores`,
      ]
    }),
  ),
)
process.exit(0)

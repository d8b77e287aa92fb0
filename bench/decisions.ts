import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { CoarseClock } from '../src/limiter/coarse-clock.ts'
import { Limiter } from '../src/limiter/limiter.ts'
import type { LimitMode } from '../src/limiter/types.ts'
import { InProcessNetwork } from '../src/replication/in-process.ts'
import { median, perSecond, type BenchRow } from './report.ts'

/**
 * Decisions a second in one thread, against rate-limiter-flexible's memory limiter: the same keys in the same order, in turns,
 * each round in a process of its own. `tokens` is what a key may take in the round, of `takes` that it attempts on average.
 */
interface Workload {
  readonly mode: LimitMode
  readonly keys: number
  readonly takes: number
  readonly tokens: number
}

interface Round {
  readonly ours: number
  readonly theirs: number
}

const child = 'child'
const batchIntervalMs = 50
/** So many takes between looks at the clock for the next batch; timers don't fire in a busy loop. */
const takesBetweenLooks = 1024
/** As long as no round lasts, so that next to nothing refills during it. */
const windowSec = 1000

export function benchDecisions(): BenchRow[] {
  const rows: BenchRow[] = []
  for (const [keys, takes, rounds, goal] of [
    [1000, 1_500_000, 5, '≥ 8'],
    [1_000_000, 3_000_000, 3, '≥ 5'],
  ] as const) {
    const named = `${keys.toLocaleString('en-US')} keys`
    const refused = { keys, takes, tokens: takes / keys / 3, mode: 'pooled' as const }
    const plenty = { ...refused, tokens: takes }
    rows.push(
      compare(
        `decisions, ${named}, 3 × the limit asked for, local`,
        { ...refused, mode: 'local' },
        rounds,
        goal,
      ),
    )
    rows.push(compare(`decisions, ${named}, 3 × the limit asked for, pooled`, refused, rounds, goal))
    rows.push(compare(`decisions, ${named}, none refused, pooled`, plenty, rounds))
  }
  return rows
}

function compare(name: string, workload: Workload, roundCount: number, goal?: string): BenchRow {
  const rounds = Array.from({ length: roundCount }, () => {
    const args = [fileURLToPath(import.meta.url), child, JSON.stringify(workload)]
    const { stdout, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    if (status !== 0) throw new Error(`a round of the decisions benchmark ended with ${status}`)
    return JSON.parse(stdout) as Round
  })
  const ours = median(rounds.map((round) => round.ours))
  const theirs = median(rounds.map((round) => round.theirs))
  const ratio = median(rounds.map((round) => round.ours / round.theirs))
  return { name, ours: perSecond(ours), baseline: perSecond(theirs), ratio, ...(goal && { goal }) }
}

async function runRound(workload: Workload): Promise<Round> {
  const keys = keysInOrder(workload)
  const warmUp = { ...workload, takes: 200_000 }
  runOurs(warmUp, keys)
  await runTheirs(warmUp, keys)
  return { ours: runOurs(workload, keys), theirs: await runTheirs(workload, keys) }
}

/** A string of its own for each take, as they come from requests; in an order without pattern, the same in every run (xorshift32). */
function keysInOrder({ keys, takes }: Workload): string[] {
  let state = 0x9e3779b9
  return Array.from({ length: takes }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return `user:${(state >>> 0) % keys}`
  })
}

function runOurs({ mode, tokens, takes }: Workload, keys: string[]): number {
  const network = new InProcessNetwork({ delayMs: () => 0, schedule: (deliver) => setImmediate(deliver) })
  const clock = new CoarseClock(() => performance.now())
  const limiter = new Limiter({
    transport: network.connect('us-east-1/0'),
    limits: [
      {
        name: 'ratings',
        mode,
        shares: { 'us-east-1': { capacity: tokens, refillPerSec: tokens / windowSec } },
        overrides: [],
        bucketsMax: 4_000_000,
      },
    ],
    hashKey: { lo: 0x01234567, hi: 0x09abcdef },
    incarnation: 1,
    contactTimeoutMs: 600,
    nowMs: () => clock.nowMs(),
  })
  const startMs = performance.now()
  let tickAtMs = startMs
  for (let i = 0; i < takes; i++) {
    limiter.take('ratings', keys[i]!)
    if (i % takesBetweenLooks > 0 || performance.now() < tickAtMs + batchIntervalMs) continue
    tickAtMs = performance.now()
    limiter.tick()
  }
  return (takes / (performance.now() - startMs)) * 1000
}

async function runTheirs({ tokens, takes }: Workload, keys: string[]): Promise<number> {
  const limiter = new RateLimiterMemory({ points: tokens, duration: windowSec })
  const startMs = performance.now()
  for (let i = 0; i < takes; i++) {
    try {
      await limiter.consume(keys[i]!)
    } catch {
      // Refused: that is how it says so.
    }
  }
  return (takes / (performance.now() - startMs)) * 1000
}

if (process.argv[2] === child) {
  process.stdout.write(JSON.stringify(await runRound(JSON.parse(process.argv[3]!) as Workload)))
  // Their timers would keep the process alive.
  process.exit(0)
}

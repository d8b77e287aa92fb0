import type { LimitMode, LimitSpec, Shares } from '../src/limiter/types.ts'
import type { ReplicaId } from '../src/replication/transport.ts'
import type { DelayRange } from './cluster.ts'
import { Random } from './random.ts'

/** What happens in a run, and how often: drawn from its seed. Chances are those of a step. */
export interface Plan {
  readonly seed: number
  readonly replicas: readonly ReplicaId[]
  /** Some start only later. */
  readonly late: readonly ReplicaId[]
  /** The limits in force, one after the other; the first of them at the start. */
  readonly configurations: readonly (readonly LimitSpec[])[]
  readonly delayMs: ReadonlyMap<string, DelayRange>
  readonly loss: number
  readonly duplication: number
  /** The pace of each replica's clock; 1.01 gains a second in 100. */
  readonly paces: ReadonlyMap<ReplicaId, number>
  readonly startsFresh: boolean
  readonly quietPart: number
  readonly steps: number
  readonly crash: number
  readonly retire: number
  /** How often pages are saved; undefined for never. */
  readonly snapshotIntervalMs?: number
  readonly stall: number
  readonly cut: number
  readonly reload: number
  /** Milliseconds by which a wall clock may be off, either way, when a replica starts. */
  readonly wallClockMs: number
  /** Requests in a row at most, and what one may cost. */
  readonly burst: number
  readonly cost: number
}

export const modes = ['pooled', 'strict'] as const satisfies readonly LimitMode[]
export type Mode = (typeof modes)[number]
export const keys = ['alice', 'bob']

/** Draws a plan. Every kind of fault is switched on for some seeds only, so that each is also met alone. */
export function planFor(seed: number): Plan {
  const random = new Random(seed)
  const some = (value: number): number => (random.chance(0.5) ? random.next() * value : 0)
  const regions = ['us', 'eu', 'ap', 'sa'].slice(0, random.whole(2, 4))
  const replicas = [
    ...regions.map((region) => `${region}/0`),
    ...regions.filter(() => random.chance(0.2)).map((region) => `${region}/1`),
  ]
  const reload = some(0.03)
  const jitterMs = random.chance(0.5) ? random.whole(0, 200) : 0
  return {
    seed,
    replicas,
    late: replicas.slice(1).filter(() => random.chance(0.1)),
    configurations: Array.from({ length: reload > 0 ? 3 : 1 }, () => limitsFor(regions, random)),
    delayMs: delaysBetween(replicas, jitterMs, random),
    loss: some(0.3),
    duplication: some(0.3),
    paces: new Map(
      replicas.map((replica) => [replica, 1 + (random.chance(0.3) ? (random.next() - 0.5) / 20 : 0)]),
    ),
    startsFresh: random.chance(0.7),
    quietPart: random.pick([0, 1 / 16, 1 / 4]),
    steps: random.whole(30, 150),
    crash: some(0.06),
    retire: some(0.04),
    ...(random.chance(0.6) && { snapshotIntervalMs: random.whole(100, 2000) }),
    stall: some(0.05),
    cut: some(0.15),
    reload,
    wallClockMs: some(120_000),
    burst: random.pick([1, 10, 60]),
    cost: random.pick([1, 1, 5]),
  }
}

function limitsFor(regions: readonly string[], random: Random): LimitSpec[] {
  return modes.map((mode) => {
    const shares: Shares = Object.fromEntries(
      regions.map((region) => [
        region,
        { capacity: random.whole(5, 200), refillPerSec: random.whole(1, 60) + random.next() },
      ]),
    )
    return { name: mode, mode, shares, overrides: [], bucketsMax: 1000 }
  })
}

function delaysBetween(
  replicas: readonly ReplicaId[],
  jitterMs: number,
  random: Random,
): ReadonlyMap<string, DelayRange> {
  return new Map(
    replicas.flatMap((from) =>
      replicas.map((to) => {
        const min = random.whole(1, 150)
        return [`${from} ${to}`, { min, max: min + jitterMs }] as const
      }),
    ),
  )
}

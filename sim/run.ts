import type { LimitSpec } from '../src/limiter/types.ts'
import type { ReplicaId } from '../src/replication/transport.ts'
import { Checks } from './checks.ts'
import { Cluster } from './cluster.ts'
import { keys, modes, planFor, type Plan } from './plan.ts'

/** What a run came to; `failure` says what did not hold, and when. */
export interface Outcome {
  readonly seed: number
  readonly failure: string | undefined
  readonly admitted: number
  readonly asked: number
}

/** How often a run goes on until everything is forgotten: that takes as long as all the rest. */
const idleChance = 0.15
/** Long enough for demand to be forgotten. */
const forgettingMs = 400_000
/** The wall clock at the start of every run, in milliseconds. */
const epochMs = 1_700_000_000_000

/**
 * Runs the product's own limiters under the faults that a seed draws: first with faults, checking after every request what must
 * never happen; then all is healed, and what must happen in the end is checked. The same seed makes the same run.
 */
export function run(seed: number, trace: (line: string) => void = () => {}): Outcome {
  const plan = planFor(seed)
  const simulation = new Simulation(plan, trace)
  try {
    simulation.run()
    return { seed, failure: undefined, ...simulation.checks.counts }
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { seed, failure: message, ...simulation.checks.counts }
  }
}

class Simulation {
  readonly #plan: Plan
  readonly #cluster: Cluster
  readonly #say: (what: string) => void
  readonly checks: Checks
  #limits: readonly LimitSpec[]

  constructor(plan: Plan, trace: (line: string) => void) {
    this.#plan = plan
    this.#limits = plan.configurations[0]!
    this.#cluster = new Cluster({
      ...plan,
      replicas: plan.replicas.filter((replica) => !plan.late.includes(replica)),
      limits: this.#limits,
      delayMs: (from, to) => plan.delayMs.get(`${from} ${to}`)!,
      clockPace: (replica) => plan.paces.get(replica)!,
      clockOffsetMs: (replica) => plan.replicas.indexOf(replica) * 2 ** 31,
      incarnation: (_replica, _start, cluster) => wallClockMs(cluster, plan.wallClockMs),
    })
    this.checks = new Checks(plan, this.#cluster)
    this.#say = (what) => trace(`${this.#cluster.nowMs.toFixed(0).padStart(7)} ms  ${what}`)
    this.#say(
      `plan ${JSON.stringify(plan, (_key, value: unknown) => (value instanceof Map ? [...value] : value))}`,
    )
  }

  run(): void {
    for (let step = 0; step < this.#plan.steps; step++) this.#step()
    this.#heal()
    this.checks.everybodyInContact()
    // Who started with nothing has to fill first, share by share.
    this.#cluster.advance(this.#fillMs())
    if (this.#cluster.random.chance(idleChance)) {
      this.#cluster.advance(forgettingMs)
      this.checks.allFullAndForgotten()
    }
    this.#askInOneRegion()
  }

  #step(): void {
    const cluster = this.#cluster
    const { random } = cluster
    const { crash, retire, stall, cut, reload } = this.#plan
    const replica = random.pick(this.#plan.replicas)
    if (random.chance(crash)) {
      cluster.kill(replica)
      this.#say(`${replica} crashes`)
    }
    if (random.chance(retire)) {
      cluster.retire(replica)
      this.#say(`${replica} ends in good order`)
    }
    if (!cluster.running().includes(replica) && random.chance(0.2)) {
      cluster.start(replica)
      this.#say(`${replica} starts`)
    }
    if (random.chance(stall)) {
      const ms = random.whole(1, random.pick([200, 5000]))
      cluster.stall(replica, ms)
      this.#say(`${replica} stalls for ${ms} ms`)
    }
    if (random.chance(cut)) this.#cut()
    if (random.chance(reload)) this.#reload()
    this.#ask(replica)
    cluster.advance(random.chance(0.03) ? random.whole(1000, 6000) : random.whole(0, 200))
  }

  /** Cuts some links, each in one direction, or a whole replica off; or heals all. */
  #cut(): void {
    const { random } = this.#cluster
    const { replicas } = this.#plan
    const links = replicas.flatMap((from) => replicas.map((to) => `${from} ${to}`))
    const lone = random.pick(replicas)
    const cut = new Set(
      random.pick([
        () => [],
        () => links.filter(() => random.chance(0.3)),
        () => links.filter((link) => link.includes(lone)),
        () => links.filter((link) => link.startsWith(lone)),
      ])(),
    )
    this.#cluster.connected = (from, to) => !cut.has(`${from} ${to}`)
    this.#say(cut.size === 0 ? 'all links work' : `cut: ${[...cut].join(', ')}`)
  }

  #reload(): void {
    const { random } = this.#cluster
    this.#limits = random.pick(this.#plan.configurations)
    this.#say(`limits reloaded: ${JSON.stringify(this.#limits.map(({ shares }) => shares))}`)
    // One after the other, as files are rolled out.
    for (const replica of this.#cluster.running()) {
      this.#cluster.reload(replica, this.#limits)
      this.#cluster.advance(random.whole(0, 100))
    }
  }

  #ask(replica: ReplicaId): void {
    const { random } = this.#cluster
    if (!this.#cluster.isServing(replica)) return
    const [mode, key, cost] = [random.pick(modes), random.pick(keys), random.whole(1, this.#plan.cost)]
    const count = random.whole(1, this.#plan.burst)
    const gapMs = random.pick([0, 0, 1, 20])
    let allowed = 0
    for (let n = 0; n < count && this.#cluster.isServing(replica); n++) {
      if (this.checks.take({ replica, mode, key, cost })) allowed++
      this.#cluster.advance(gapMs)
    }
    this.#say(`${replica} ${mode} ${key}: ${allowed} of ${count} takes of ${cost} allowed`)
  }

  /** All faults end, everybody runs with the same limits. */
  #heal(): void {
    const cluster = this.#cluster
    cluster.faults = false
    cluster.connected = () => true
    for (const replica of this.#plan.replicas) {
      cluster.stall(replica, 0)
      if (!cluster.isServing(replica)) cluster.start(replica)
      cluster.reload(replica, this.#limits)
    }
    this.#say('healed')
    // A wall clock that was set back is believed after ten contact time-outs.
    cluster.advance(15_000)
  }

  /** Long enough for every share to fill, by the refill of its own region. */
  #fillMs(): number {
    return Math.max(
      ...this.#limits.flatMap(({ shares }) =>
        Object.values(shares).map(({ capacity, refillPerSec }) => (capacity / refillPerSec) * 1000),
      ),
    )
  }

  /** With nothing wrong, one region gets what there is, in either mode. */
  #askInOneRegion(): void {
    const { random } = this.#cluster
    const replica = random.pick(this.#plan.replicas)
    for (const mode of modes) {
      const key = `late ${mode}`
      const { shares } = this.#limits.find((limit) => limit.mode === mode)!
      const capacity = Object.values(shares).reduce((sum, share) => sum + share.capacity, 0)
      let admitted = 0
      for (let ms = 0; ms < 6000; ms += 10) {
        for (let n = 0; n < Math.max(1, capacity / 100); n++) {
          if (this.checks.take({ replica, mode, key, cost: 1 })) admitted++
        }
        this.#cluster.advance(10)
      }
      this.#say(`${replica} alone: ${admitted} of ${capacity} and what refilled`)
      this.checks.gotItsDue({ replica, mode, admitted, capacity })
    }
  }
}

/** What the wall clock of a machine shows that may be off by so much, either way. */
function wallClockMs({ random, nowMs }: Cluster, offMs: number): number {
  return Math.floor(epochMs + nowMs + (random.next() * 2 - 1) * offMs)
}

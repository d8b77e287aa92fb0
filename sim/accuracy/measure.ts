import { CentralBucket } from '../central-bucket.ts'
import { Random } from '../random.ts'
import type { Rule, RunningRule } from './rule.ts'
import type { Scenario } from './scenarios.ts'
import { guideRegions, SimWorld } from './world.ts'

export interface Measured {
  /** Requests admitted, as a part of what one central bucket without delay admits. */
  readonly ratio: number
  /** Tokens by which the limit was passed at the worst moment. */
  readonly worstOver: number
  /** The part of all requests that were refused though the central bucket admitted them. */
  readonly wronglyRefused: number
  /** Bytes between regions, each copy counted, for each request. */
  readonly bytesPerRequest: number
}

const warmUpMs = 3000
/** How often the rates of a scenario are looked at. */
const stepMs = 100

/** Runs a rule through a scenario. */
export function measure(rule: Rule, scenario: Scenario, limit: Limit, seed: number): Measured {
  const world = new SimWorld({
    delays: guideRegions,
    ...limit,
    isCut: (from, to, nowMs) =>
      [from, to].includes(guideRegions.regions.at(-1)!) && (scenario.isCut?.(nowMs - warmUpMs) ?? false),
  })
  const running = rule.start(world)
  world.events.runUntil(warmUpMs)
  const tally = new Tally(running, world, { limit, countFromMs: warmUpMs + (scenario.countFromMs ?? 0) })
  const random = new Random(seed)
  const bytesBefore = world.bytes
  for (let atMs = 0; atMs < scenario.durationMs; atMs += stepMs) {
    for (const [index, region] of world.regions.entries()) {
      const perSec = scenario.perSec(index, atMs)
      if (perSec === 0) continue
      for (let ms = random.poissonMs(perSec); ms < stepMs; ms += random.poissonMs(perSec)) {
        world.events.at(warmUpMs + atMs + ms, () => tally.ask(region))
      }
    }
    world.events.runUntil(warmUpMs + atMs + stepMs)
  }
  world.events.runUntil(warmUpMs + scenario.durationMs + 2000)
  return tally.measured(world.bytes - bytesBefore)
}

interface Limit {
  readonly capacity: number
  readonly refillPerSec: number
}

class Tally {
  readonly #running: RunningRule
  readonly #world: SimWorld
  readonly #countFromMs: number
  readonly #central: CentralBucket
  readonly #truth: CentralBucket
  #asked = 0
  #admitted = 0
  #centrallyAdmitted = 0
  #wronglyRefused = 0
  #worstOver = 0

  constructor(running: RunningRule, world: SimWorld, options: { limit: Limit; countFromMs: number }) {
    this.#running = running
    this.#world = world
    this.#countFromMs = options.countFromMs
    this.#central = new CentralBucket(options.limit)
    this.#truth = new CentralBucket(options.limit)
  }

  ask(region: string): void {
    const central = this.#central.take(this.#world.nowMs)
    const counts = this.#world.nowMs >= this.#countFromMs
    if (counts) {
      this.#asked++
      if (central) this.#centrallyAdmitted++
    }
    this.#running.take(region, 'alice', (allowed) => {
      if (allowed) this.#worstOver = Math.max(this.#worstOver, this.#truth.charge(this.#world.nowMs))
      if (!counts) return
      if (allowed) this.#admitted++
      else if (central) this.#wronglyRefused++
    })
  }

  measured(bytes: number): Measured {
    return {
      ratio: this.#admitted / this.#centrallyAdmitted,
      worstOver: this.#worstOver,
      wronglyRefused: this.#wronglyRefused / this.#asked,
      bytesPerRequest: bytes / this.#asked,
    }
  }
}

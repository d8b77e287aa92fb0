import { Random } from '../random.ts'
import type { Rule } from './rule.ts'
import { guideRegions, SimWorld } from './world.ts'

/** Users by Zipf's law: the n-th is asked for in proportion to n^-exponent. Rejection-inversion (Hörmann and Derflinger, 1996). */
export class Zipf {
  readonly #exponent: number
  readonly #lowest: number
  readonly #highest: number
  readonly #shift: number

  constructor(count: number, exponent: number) {
    this.#exponent = exponent
    this.#lowest = this.#integral(1.5) - 1
    this.#highest = this.#integral(count + 0.5)
    this.#shift = 2 - this.#inverse(this.#integral(2.5) - 2 ** -exponent)
  }

  next(random: Random): number {
    for (;;) {
      const u = this.#highest + random.next() * (this.#lowest - this.#highest)
      const x = this.#inverse(u)
      const rank = Math.max(1, Math.round(x))
      if (rank - x <= this.#shift || u >= this.#integral(rank + 0.5) - rank ** -this.#exponent) return rank
    }
  }

  #integral(x: number): number {
    return (x ** (1 - this.#exponent) - 1) / (1 - this.#exponent)
  }

  #inverse(u: number): number {
    return (1 + u * (1 - this.#exponent)) ** (1 / (1 - this.#exponent))
  }
}

export interface WireMeasured {
  readonly bytesPerRequest: number
  /** What was admitted, as a part of what was asked for. */
  readonly admittedPart: number
}

const users = 1_000_000
const exponent = 1.1
const perSecOfRegion = 2000
const seconds = 20
/** Per user: what many APIs allow. */
const limit = { capacity: 120, refillPerSec: 10 }

/** What a rule sends where a million users ask in three regions, few of them often. */
export function measureWire(rule: Rule, seed: number): WireMeasured {
  const world = new SimWorld({ delays: guideRegions, ...limit })
  const running = rule.start(world)
  world.events.runUntil(3000)
  const random = new Random(seed)
  const zipf = new Zipf(users, exponent)
  const bytesBefore = world.bytes
  let asked = 0
  let admitted = 0
  const ask = (region: string): void => {
    asked++
    running.take(region, `user${zipf.next(random)}`, (allowed) => {
      if (allowed) admitted++
    })
    world.after(random.poissonMs(perSecOfRegion), () => ask(region))
  }
  for (const region of world.regions) ask(region)
  world.events.runUntil(3000 + seconds * 1000)
  return { bytesPerRequest: (world.bytes - bytesBefore) / asked, admittedPart: admitted / asked }
}

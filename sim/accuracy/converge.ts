import type { Rule } from './rule.ts'
import { guideRegions, SimWorld } from './world.ts'

const longestMs = 10_000
const stepMs = 5

/**
 * How long after one region has spent all it can another region can still spend the same tokens: the time, in milliseconds,
 * from which on nothing beyond the limit is admitted. 0 if never, Infinity if it is longer than ten seconds.
 */
export function convergenceMs(rule: Rule, capacity: number): number {
  if (over(rule, capacity, longestMs) > 0) return Number.POSITIVE_INFINITY
  let [passed, held] = [-stepMs, longestMs]
  while (held - passed > stepMs) {
    const middle = Math.round((passed + held) / 2 / stepMs) * stepMs
    if (over(rule, capacity, middle) > 0) passed = middle
    else held = middle
  }
  return held
}

/** Tokens admitted beyond the limit when the first region spends what it can, and the others try some time later. */
function over(rule: Rule, capacity: number, laterMs: number): number {
  // Next to nothing refills: what is admitted beyond the capacity was admitted twice.
  const world = new SimWorld({ delays: guideRegions, capacity, refillPerSec: 0.001 })
  const running = rule.start(world)
  world.events.runUntil(3000)
  let admitted = 0
  const spend = (region: string): void => {
    for (let n = 0; n < capacity; n++)
      running.take(region, 'alice', (allowed) => void (admitted += Number(allowed)))
  }
  spend(world.regions[0]!)
  world.events.runUntil(3000 + laterMs)
  for (const region of world.regions.slice(1)) spend(region)
  world.events.runUntil(3000 + laterMs + 1000)
  return Math.max(0, admitted - capacity)
}

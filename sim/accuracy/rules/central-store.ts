import type { Rule, World } from '../rule.ts'
import { bucketPerKey } from './token-bucket.ts'

/** A command or its answer: a key, a few numbers and the framing of a store's protocol. An estimate; headers below it are left out. */
const MESSAGE_BYTES = 64

/** Without an answer for so long the request is refused. */
const TIMEOUT_MS = 1_000

/**
 * One token bucket for all, in the first region. The others ask it and wait for the round trip.
 *
 * Models a central Redis with a token bucket in a script, as with bucket4j or Envoy's ratelimit service over one Redis, in
 * general; no project's code in particular.
 *
 * Parameters: `MESSAGE_BYTES` 64 for each request and each reply, `TIMEOUT_MS` 1,000. It fails closed: no reply within the
 * time-out refuses the request. A reply that comes later changes nothing, but its token is spent.
 * Left out: retries, failover to a replica, the store's own time to answer, and failing open, which many deploy instead.
 */
export const centralStore: Rule = {
  name: 'central store',
  start(world) {
    const store = world.regions[0]!
    const takeAtStore = bucketPerKey(world)
    return {
      take(region, key, decide) {
        if (region === store) decide(takeAtStore(key, world.nowMs))
        else ask(world, { from: region, to: store, answer: () => takeAtStore(key, world.nowMs) }, decide)
      },
    }
  },
}

function ask(
  world: World,
  { from, to, answer }: { from: string; to: string; answer: () => boolean },
  decide: (allowed: boolean) => void,
): void {
  let decided = false
  const decideOnce = (allowed: boolean): void => {
    if (decided) return
    decided = true
    decide(allowed)
  }
  world.send({ from, to, bytes: MESSAGE_BYTES }, () => {
    const allowed = answer()
    world.send({ from: to, to: from, bytes: MESSAGE_BYTES }, () => decideOnce(allowed))
  })
  world.after(TIMEOUT_MS, () => decideOnce(false))
}

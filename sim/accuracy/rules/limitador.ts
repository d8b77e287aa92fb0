import type { Rule, World } from '../rule.ts'

/** As `CrCounterValue`: what this region counted, what it knows of the others, and when the window they all count in ends. */
interface Counter {
  own: number
  readonly others: Map<string, number>
  expiryMs: number
}

/** As the `CounterUpdate` message: the counts of all regions the sender knows of. */
interface CounterUpdate {
  readonly key: string
  readonly counts: ReadonlyMap<string, number>
  readonly expiryMs: number
}

/**
 * Limitador with its distributed storage: a fixed window, a counter a region, all counters gossiped to all peers and merged by
 * their maximum. A request is admitted if the sum of what is known is below the limit.
 *
 * Source: github.com/Kuadrant/limitador, `limitador/src/storage/distributed/`: `cr_counter_value.rs` at c88628ff, `mod.rs` at
 * 04b0577e, `grpc/mod.rs` at 0cd6658a; `limitador/proto/distributed.proto` at 15875500.
 *
 * Mapping: Limitador has windows, no buckets. "A burst of `capacity`, `refillPerSec` sustained" becomes `max_value` = capacity
 * for each window of capacity / refillPerSec seconds. Its `seconds` are whole; a window is not rounded here.
 *
 * As in the source, and worth knowing:
 * - A window begins with the first request after the last one ended (not at multiples of its length), and the earliest end that
 *   any region knows holds for all.
 * - There is no flush interval. An update is sent as soon as the stream takes it; updates of one key that wait meanwhile
 *   collapse into one. Here those of the same instant do.
 * - The end of the window travels in whole seconds, rounded down, so the others end it up to a second early, and an update
 *   that ends in the current second is ignored.
 * - Refused requests are not counted. (At a5ac755b of `mod.rs` they were.)
 *
 * One thing is not as in the source: there the region that begins a new window keeps the counts of the others, which so live on
 * (`inc_at`), and the limit admits far less than it should. That can't be meant, so here they are cleared.
 *
 * Bytes: the protobuf of one `CounterUpdate`, see `updateBytes`. Framing of gRPC and below is left out.
 *
 * Left out: membership, ping and reconnection; the re-sync after it (the next update of a key carries all counts, so only idle
 * keys would gain); back-pressure of the stream, with the loss of the session when it is more than 16 updates behind; and that
 * a peer's session panics at an update for a key that the peer doesn't know: here the counter is made.
 */
export const limitador: Rule = {
  name: 'Limitador',
  start(world) {
    const windowMs = (world.capacity / world.refillPerSec) * 1_000
    const countersAt = new Map(world.regions.map((region) => [region, new Map<string, Counter>()]))
    const publish = publisher(world, (region, key) => countersAt.get(region)!.get(key)!, receive)

    function counterOf(region: string, key: string): Counter {
      const counters = countersAt.get(region)!
      let counter = counters.get(key)
      if (counter === undefined) {
        counter = { own: 0, others: new Map(), expiryMs: world.nowMs + windowMs }
        counters.set(key, counter)
      }
      return counter
    }

    function receive(region: string, update: CounterUpdate): void {
      merge(counterOf(region, update.key), region, update, world.nowMs)
    }

    return {
      take(region, key, decide) {
        const counter = counterOf(region, key)
        const allowed = read(counter, world.nowMs) + 1 <= world.capacity
        if (allowed) {
          increment(counter, world.nowMs, windowMs)
          publish(region, key)
        }
        decide(allowed)
      },
    }
  },
}

/** Sends updates to all other regions; those of one key at the same instant as one. */
function publisher(
  world: World,
  counterOf: (region: string, key: string) => Counter,
  receive: (region: string, update: CounterUpdate) => void,
): (region: string, key: string) => void {
  const pendingAt = new Map(world.regions.map((region) => [region, new Set<string>()]))

  function flush(region: string): void {
    const pending = pendingAt.get(region)!
    for (const key of pending) {
      const counter = counterOf(region, key)
      if (counter.expiryMs <= world.nowMs) continue
      const update = {
        key,
        counts: new Map([...counter.others, [region, counter.own]]),
        expiryMs: Math.floor(counter.expiryMs / 1_000) * 1_000,
      }
      for (const to of world.regions) {
        if (to !== region)
          world.send({ from: region, to, bytes: updateBytes(update) }, () => receive(to, update))
      }
    }
    pending.clear()
  }

  return (region, key) => {
    const pending = pendingAt.get(region)!
    if (pending.size === 0) world.after(0, () => flush(region))
    pending.add(key)
  }
}

/**
 * Protobuf of a `Packet` with a `CounterUpdate`: 4 B of tags and lengths around it, 2 + 32 B for the encoded limit (its
 * namespace, condition and variable) and the key in it, 6 B for the end of the window, and for each region 6 B of tags and
 * lengths, its name, and 3 B for a count of up to 2 million.
 */
function updateBytes({ key, counts }: CounterUpdate): number {
  let bytes = 4 + 2 + 32 + key.length + 6
  for (const region of counts.keys()) bytes += 6 + region.length + 3
  return bytes
}

/** `read_at` */
function read(counter: Counter, nowMs: number): number {
  if (counter.expiryMs <= nowMs) return 0
  let sum = counter.own
  for (const count of counter.others.values()) sum += count
  return sum
}

/** `inc_at` */
function increment(counter: Counter, nowMs: number, windowMs: number): void {
  if (counter.expiryMs <= nowMs) {
    // Not in the source, see above.
    counter.others.clear()
    counter.expiryMs = nowMs + windowMs
    counter.own = 1
  } else counter.own += 1
}

/** `merge_at` */
function merge(counter: Counter, region: string, update: CounterUpdate, nowMs: number): void {
  if (update.expiryMs <= nowMs) return
  if (counter.expiryMs <= nowMs) {
    counter.own = 0
    counter.others.clear()
    counter.expiryMs = update.expiryMs
  }
  counter.expiryMs = Math.min(counter.expiryMs, update.expiryMs)
  for (const [actor, count] of update.counts) {
    if (actor === region) counter.own = Math.max(counter.own, count)
    else counter.others.set(actor, Math.max(counter.others.get(actor) ?? 0, count))
  }
}

import { Limiter } from '../../../src/limiter/limiter.ts'
import type { LimitMode } from '../../../src/limiter/types.ts'
import {
  regionOf,
  type Channel,
  type Receiver,
  type ReplicaId,
  type Transport,
} from '../../../src/replication/transport.ts'
import type { Rule, World } from '../rule.ts'

const batchIntervalMs = 50
const urgentIntervalMs = 5
const contactTimeoutMs = 600

/** The product's own limiter in one of its modes: not a model of it. */
export function ours(mode: LimitMode, quietPart?: number): Rule {
  return {
    name: mode,
    start: (world) => {
      const share = {
        capacity: world.capacity / world.regions.length,
        refillPerSec: world.refillPerSec / world.regions.length,
      }
      const shares = Object.fromEntries(world.regions.map((region) => [region, share]))
      const network = new Map<ReplicaId, WorldTransport>()
      const limiters = new Map<string, Limiter>()
      for (const [index, region] of world.regions.entries()) {
        const limiter = new Limiter({
          transport: new WorldTransport(`${region}/0`, world, network),
          limits: [{ name: 'api', mode, shares, overrides: [], bucketsMax: 2_000_000 }],
          hashKey: { lo: 1, hi: 2 },
          incarnation: 1,
          contactTimeoutMs,
          startsFresh: true,
          ...(quietPart !== undefined && { quietPart }),
          nowMs: () => world.nowMs,
        })
        limiters.set(region, limiter)
        // Regions don't tick in step.
        const phaseMs = (index * batchIntervalMs) / world.regions.length
        every(world, { phaseMs, intervalMs: batchIntervalMs }, () => limiter.tick())
        every(world, { phaseMs, intervalMs: urgentIntervalMs }, () => limiter.tickUrgent())
      }
      return { take: (region, key, decide) => decide(limiters.get(region)!.take('api', key).allowed) }
    },
  }
}

function every(
  world: World,
  { phaseMs, intervalMs }: { phaseMs: number; intervalMs: number },
  run: () => void,
): void {
  const again = (): void => {
    run()
    world.after(intervalMs, again)
  }
  world.after(phaseMs, again)
}

class WorldTransport implements Transport {
  readonly dropped = 0
  readonly self: ReplicaId
  readonly #world: World
  readonly #network: Map<ReplicaId, WorldTransport>
  readonly #receivers = new Map<Channel, Receiver>()

  constructor(self: ReplicaId, world: World, network: Map<ReplicaId, WorldTransport>) {
    this.self = self
    this.#world = world
    this.#network = network
    network.set(self, this)
  }

  broadcast(channel: Channel, payload: Uint8Array): void {
    for (const to of this.#network.keys()) this.send(to, channel, payload)
  }

  send(to: ReplicaId, channel: Channel, payload: Uint8Array): void {
    if (to === this.self) return
    const message = { from: regionOf(this.self), to: regionOf(to), bytes: payload.length }
    this.#world.send(message, () => this.#network.get(to)?.deliver(this.self, channel, payload))
  }

  deliver(from: ReplicaId, channel: Channel, payload: Uint8Array): void {
    this.#receivers.get(channel)?.(from, payload)
  }

  receive(channel: Channel, receiver: Receiver): void {
    this.#receivers.set(channel, receiver)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

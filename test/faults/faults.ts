import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../../sim/random.ts'
import type { FaultWorld } from './world.ts'

/** Harms the world for a while, at times of chance, and mends it. */
type Fault = (world: FaultWorld, random: Random) => Promise<void>

const stopPostgres =
  (signal: 'SIGKILL' | 'SIGQUIT'): Fault =>
  async (world, random) => {
    await world.postgres.kill(signal)
    await delay(random.whole(0, 800))
    await world.postgres.restart()
  }

export const faults: Readonly<Record<string, Fault>> = {
  'PostgreSQL killed': stopPostgres('SIGKILL'),
  'PostgreSQL shut down at once': stopPostgres('SIGQUIT'),
  'the ways to the store cut, and what was on them delivered late': async (world, random) => {
    const ways = world.edges.map(({ way }) => way).filter(() => random.chance(0.7))
    for (const way of ways) way.cut()
    // Some times shorter than the edges' patience of two seconds, some times longer.
    await delay(random.whole(100, 3500))
    for (const way of ways) way.heal()
  },
  'connections reset in the midst of transactions': async (world, random) => {
    for (let times = random.whole(1, 12); times > 0; times--) {
      for (const { way } of world.edges) if (random.chance(0.6)) way.reset()
      await delay(random.whole(1, 120))
    }
  },
  'the disk full': async (world, random) => {
    await world.fillDisk()
    await delay(random.whole(300, 1500))
    await world.emptyDisk()
  },
  'PostgreSQL and NATS killed': async (world, random) => {
    await world.postgres.kill()
    await delay(random.whole(0, 500))
    await world.nats.kill()
    await delay(random.whole(0, 300))
    await world.nats.restart()
    await world.postgres.restart()
  },
}

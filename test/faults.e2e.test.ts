import { afterAll, beforeAll, expect, test } from 'vitest'
import { faults } from './faults/faults.ts'
import { runFault } from './faults/run.ts'
import { FaultWorld } from './faults/world.ts'

let world: FaultWorld
const counts = { stored: 0, queued: 0 }

beforeAll(async () => {
  world = await FaultWorld.start()
})
afterAll(() => world.stop())

/** `npm run faults` makes as many runs as one likes. */
test.each(Object.keys(faults))(
  'no rating that was answered 201 or 202 is lost, and no summary is wrong: %s',
  async (fault) => {
    const seed = Math.floor(Math.random() * 1_000_000)
    const result = await runFault(world, seed, fault)
    expect(result, `seed ${seed}`).toMatchObject({ wrongs: [], deadlocks: 0 })
    counts.stored += result.counts.stored
    counts.queued += result.counts.queued
  },
)

test('the runs stored and queued ratings', () => {
  expect(counts.stored).toBeGreaterThan(100)
  expect(counts.queued).toBeGreaterThan(20)
})

import { parseArgs } from 'node:util'
import { runFault, type RunResult } from './run.ts'
import { FaultWorld } from './world.ts'

const usage = `Harms the store under load, and checks that no answered rating is lost or counted twice.

  npm run faults                            200 runs   [--runs N] [--seed SEED of the first]`

const { values } = parseArgs({
  options: { runs: { type: 'string', default: '200' }, seed: { type: 'string' }, help: { type: 'boolean' } },
})
const count = Number(values.runs)
const first = Number(values.seed ?? Math.floor(Math.random() * 1_000_000))
if (values.help || !Number.isInteger(count) || count < 1 || !Number.isInteger(first)) {
  console.error(usage)
  process.exit(2)
}

console.log(`${count} runs from seed ${first} on (again: npm run faults -- --runs ${count} --seed ${first})`)
const world = await FaultWorld.start()
const results: RunResult[] = []
// The servers get the signal of a terminal, too: the run under way can't end well, and is left out.
const stopped = new Promise<undefined>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(undefined))
})
try {
  for (let seed = first; seed < first + count; seed++) {
    const result = await Promise.race([runFault(world, seed), stopped])
    if (!result) break
    results.push(result)
    const { stored, queued, unknown } = result.counts
    console.log(`seed ${seed}: ${result.fault}; ${stored} stored, ${queued} queued, ${unknown} unknown`)
    for (const wrong of result.wrongs) console.log(`  WRONG: ${wrong}`)
  }
} finally {
  await world.stop()
}

const sum = (of: (result: RunResult) => number): number =>
  results.reduce((total, result) => total + of(result), 0)
const wrong = sum((result) => result.wrongs.length)
const deadlocks = Math.max(...results.map((result) => result.deadlocks))
console.log(
  `${results.length} runs: ${sum(({ counts }) => counts.stored)} stored, ${sum(({ counts }) => counts.queued)} queued, ${sum(({ counts }) => counts.unknown)} unknown; ${wrong} wrong, ${deadlocks} deadlocks`,
)
process.exit(wrong > 0 || deadlocks > 0 ? 1 : 0)

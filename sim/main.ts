import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { run, type Outcome } from './run.ts'

const usage = `Simulates the limiter under faults: the product's own code, in virtual time, each run from a seed.

  npm run sim                        200 runs
  npm run sim -- --seeds 20000       so many, over all cores   [--from SEED]
  npm run sim -- --seed 42           one run, told step by step`

const countDefault = 200
const failuresShownMax = 10

function wholeNumber(name: string, text: string | undefined, standard: number): number {
  if (text === undefined) return standard
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= 2 ** 31) return value
  throw new RangeError(`--${name}: ${text} is not allowed; allowed: a whole number from 1 on`)
}

function replay(seed: number): boolean {
  const { failure, admitted, asked } = run(seed, (line) => console.log(line))
  console.log(failure ?? `all checks held; ${admitted} of ${asked} takes were allowed`)
  return failure === undefined
}

async function runMany(from: number, count: number): Promise<boolean> {
  const stride = Math.min(availableParallelism(), count)
  const totals = { done: 0, failed: 0, asked: 0, admitted: 0 }
  const note = ({ seed, failure, asked, admitted }: Outcome): void => {
    totals.done++
    totals.asked += asked
    totals.admitted += admitted
    if (process.stderr.isTTY)
      process.stderr.write(`\r${totals.done} of ${count} runs, ${totals.failed} failed `)
    if (failure === undefined || ++totals.failed > failuresShownMax) return
    console.error(`\nseed ${seed}: ${failure}\n  again, step by step: npm run sim -- --seed ${seed}`)
  }
  await Promise.all(
    Array.from({ length: stride }, (_, index) => {
      const workerData = { from: from + index, count: count - index, stride }
      const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData })
      return new Promise<void>((resolve, reject) => {
        worker
          .on('message', note)
          .on('error', reject)
          .on('exit', () => resolve())
      })
    }),
  )
  const { done, failed, asked, admitted } = totals
  console.log(
    `${done} runs from seed ${from} on: ${failed} failed; ${admitted.toLocaleString('en-US')} of ${asked.toLocaleString('en-US')} takes were allowed`,
  )
  return failed === 0 && done === count
}

async function main(): Promise<void> {
  const options = {
    seed: { type: 'string' },
    seeds: { type: 'string' },
    from: { type: 'string' },
    help: { type: 'boolean' },
  } as const
  const { values } = parseArgs({ options })
  if (values.help) return console.log(usage)
  const held =
    values.seed === undefined
      ? await runMany(wholeNumber('from', values.from, 1), wholeNumber('seeds', values.seeds, countDefault))
      : replay(wholeNumber('seed', values.seed, 1))
  process.exitCode = held ? 0 : 1
}

await main().catch((error: unknown) => {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  process.exitCode = 1
})

import { expect, test } from 'vitest'
import { run } from './run.ts'

const seeds = 300

test(`I3 I5 in ${seeds} seeded runs with faults no strict limit is passed, and after healing all is as it was`, () => {
  const failures = []
  let admitted = 0
  for (let seed = 1; seed <= seeds && failures.length < 3; seed++) {
    const outcome = run(seed)
    admitted += outcome.admitted
    if (outcome.failure !== undefined) failures.push(`npm run sim -- --seed ${seed}: ${outcome.failure}`)
  }
  expect(failures).toEqual([])
  expect(admitted).toBeGreaterThan(seeds * 100)
})

test('the same seed makes the same run', () => {
  const traces = [1, 2].map(() => {
    const lines: string[] = []
    run(7, (line) => lines.push(line))
    return lines
  })
  expect(traces[0]!.length).toBeGreaterThan(30)
  expect(traces[1]).toEqual(traces[0])
})

import { benchDecisions } from './decisions.ts'
import { benchGroupCommit } from './group-commit.ts'
import { benchHttp } from './http.ts'
import { benchListing } from './listing.ts'
import { benchMemory } from './memory.ts'
import { benchMetrics } from './metrics.ts'
import { table, type BenchRow } from './report.ts'

/** `npm run bench [decisions|memory|http|metrics|store|listing …]`: all of them unless some are named. */
const suites: Record<string, () => BenchRow[] | Promise<BenchRow[]>> = {
  decisions: benchDecisions,
  memory: benchMemory,
  http: benchHttp,
  metrics: benchMetrics,
  store: benchGroupCommit,
  listing: benchListing,
}

const named = process.argv.slice(2)
const unknown = named.filter((name) => !(name in suites))
if (unknown.length > 0) {
  console.error(`unknown: ${unknown.join(', ')}; known: ${Object.keys(suites).join(', ')}`)
  process.exit(2)
}

const rows: BenchRow[] = []
for (const name of named.length > 0 ? named : Object.keys(suites)) {
  console.error(`Measuring ${name} …`)
  rows.push(...(await suites[name]!()))
}
console.log(table(rows))
// Timers of the baseline's library would keep the process alive.
process.exit(0)

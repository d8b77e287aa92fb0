import { readFile, writeFile } from 'node:fs/promises'
import { convergenceMs } from './converge.ts'
import { measure, type Measured } from './measure.ts'
import { barsSvg } from './plot.ts'
import type { Rule } from './rule.ts'
import { centralStore } from './rules/central-store.ts'
import { everyRegionAlone } from './rules/every-region-alone.ts'
import { gubernatorGlobal } from './rules/gubernator-global.ts'
import { limitador } from './rules/limitador.ts'
import { ours } from './rules/ours.ts'
import { staticSplit } from './rules/static-split.ts'
import { upstashMultiRegion } from './rules/upstash-multi-region.ts'
import { limit, scenarios } from './scenarios.ts'
import { measureWire } from './wire.ts'

const rules: readonly Rule[] = [
  ours('pooled'),
  { ...ours('pooled', 0), name: 'pooled, all told' },
  ours('strict'),
  centralStore,
  everyRegionAlone,
  staticSplit,
  limitador,
  gubernatorGlobal,
  upstashMultiRegion,
]
const seeds = [1, 2, 3]
const page = new URL('../../docs/accuracy.md', import.meta.url)

/** Means over the seeds; of the worst over, the worst. */
function mean(runs: readonly Measured[]): Measured {
  const of = (value: (run: Measured) => number): number =>
    runs.reduce((sum, run) => sum + value(run), 0) / runs.length
  return {
    ratio: of((run) => run.ratio),
    worstOver: Math.max(...runs.map((run) => run.worstOver)),
    wronglyRefused: of((run) => run.wronglyRefused),
    bytesPerRequest: of((run) => run.bytesPerRequest),
  }
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  return [head, head.map((_, index) => (index === 0 ? '---' : '---:')), ...body]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}

const count = (value: number): string => Math.round(value).toLocaleString('en-US')
const milliseconds = (value: number): string => (value === Number.POSITIVE_INFINITY ? 'never' : `${value} ms`)

async function writeInto(marker: string, contents: string): Promise<void> {
  const [start, end] = [`<!-- ${marker} -->`, `<!-- /${marker} -->`]
  const text = await readFile(page, 'utf8')
  const [before, rest] = text.split(start)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined)
    throw new Error(`docs/accuracy.md has no place for ${marker}`)
  await writeFile(page, `${before}${start}\n\n${contents}\n\n${end}${after}`)
}

async function main(): Promise<void> {
  const results = scenarios.map((scenario) => {
    process.stderr.write(`${scenario.name} …\n`)
    return rules.map((rule) => mean(seeds.map((seed) => measure(rule, scenario, limit, seed))))
  })
  const names = rules.map(({ name }) => name)
  const byScenario = (cell: (result: Measured) => string): string =>
    table(
      ['', ...names],
      scenarios.map(({ name }, index) => [name, ...results[index]!.map(cell)]),
    )
  const accuracy = byScenario(({ ratio, worstOver }) => `${ratio.toFixed(3)} · ${count(worstOver)}`)
  const refused = byScenario(({ wronglyRefused }) => `${(wronglyRefused * 100).toFixed(1)} %`)
  const bytes = byScenario(({ bytesPerRequest }) => bytesPerRequest.toFixed(0))
  const converge = table(
    ['', ...names],
    [
      [
        'until spent tokens are refused',
        ...rules.map((rule) => milliseconds(convergenceMs(rule, limit.capacity))),
      ],
    ],
  )
  const wire = table(
    ['news kept back', 'bytes a request', 'of those sent without', 'admitted'],
    [0, 1 / 32, 1 / 16, 1 / 8].map((part) => {
      const [own, all] = [measureWire(ours('pooled', part), 1), measureWire(ours('pooled', 0), 1)]
      return [
        part === 0 ? 'none' : `up to 1/${1 / part} of a limit`,
        own.bytesPerRequest.toFixed(1),
        `1 : ${(all.bytesPerRequest / own.bytesPerRequest).toFixed(1)}`,
        `${(own.admittedPart * 100).toFixed(2)} %`,
      ]
    }),
  )
  const written = { accuracy, refused, bytes, converge, wire }
  for (const [marker, contents] of Object.entries(written)) {
    console.log(`\n${marker}\n\n${contents}`)
    await writeInto(marker, contents)
  }
  await plots(names, results)
}

async function plots(names: readonly string[], results: readonly (readonly Measured[])[]): Promise<void> {
  const series = (value: (result: Measured) => number): { name: string; values: number[] }[] =>
    names.map((name, rule) => ({ name, values: results.map((row) => value(row[rule]!)) }))
  const groups = scenarios.map(({ name }) => name)
  const admitted = barsSvg({
    title: 'Admitted, as a part of what one central bucket admits',
    groups,
    series: series(({ ratio }) => ratio),
    max: 3,
    format: (value) => value.toFixed(2),
    mark: 1,
  })
  const over = barsSvg({
    title: 'Tokens over the limit at the worst moment (limit: 500)',
    groups,
    series: series(({ worstOver }) => worstOver),
    max: 1500,
    format: count,
    mark: 0,
  })
  await writeFile(new URL('../../docs/accuracy-admitted.svg', import.meta.url), admitted)
  await writeFile(new URL('../../docs/accuracy-over.svg', import.meta.url), over)
}

await main()

import type { LatencySummary } from './latencies.ts'
import { markdownTable } from './markdown-table.ts'
import type { RegionResult } from './meter.ts'
import type { LoadResult, Progress } from './run.ts'
import { errorsPercent, exhaustedPercent } from './thresholds.ts'

/** A generator that needs more than that of a core is late itself. */
const generatorCoresMax = 0.85

export const resultColumns = [
  'Region',
  'Throughput (req/s)',
  'p50 (ms)',
  'p95 (ms)',
  'p99 (ms)',
  'Token exhaustion %',
  'Errors %',
] as const

/** The cells of a region under `resultColumns`. */
export function resultCells(result: RegionResult): string[] {
  return [
    result.region,
    wholeNumber(result.throughputPerSec),
    ...(result.answered > 0 ? latencyCells(result.latencyMs) : ['–', '–', '–']),
    exhaustedPercent(result).toFixed(1),
    errorsPercent(result).toFixed(2),
  ]
}

/** Single calls of the regions, if an operation has several. */
export function stepRows({ regions }: LoadResult): string[][] {
  return regions.flatMap(({ region, stepsMs }) => {
    const steps = Object.entries(stepsMs)
    return steps.length < 2 ? [] : steps.map(([name, times]) => [region, name, ...latencyCells(times)])
  })
}

export const stepColumns = ['Region', 'Call', 'p50 (ms)', 'p95 (ms)', 'p99 (ms)'] as const

/** What is to be known beside the figures. */
export function remarks(result: LoadResult): string[] {
  const { regions, generatorCores, endedEarly } = result
  const sendDelayMs = Math.max(...regions.map(({ sendDelayMs: { p99 } }) => p99))
  return [
    ...(endedEarly ? ['Stopped before its time.'] : []),
    `The load generator used ${(100 * generatorCores).toFixed(0)} % of a core; 99 % of the operations were sent within ${sendDelayMs.toFixed(1)} ms of being due.`,
    ...(generatorCores > generatorCoresMax
      ? [
          'That is nearly all it has: the figures say more about it than about the edges. Divide the load among several.',
        ]
      : []),
    ...regions.flatMap(({ region, due, notSent }) =>
      notSent === 0
        ? []
        : [
            `${region}: ${notSent.toLocaleString('en-US')} of ${due.toLocaleString('en-US')} operations due were not sent, because all connections waited for answers. They count as errors.`,
          ],
    ),
    ...regions.flatMap(({ region, queued }) =>
      queued === 0
        ? []
        : [`${region}: ${queued.toLocaleString('en-US')} ratings were queued until the store is back (202).`],
    ),
    ...regions.flatMap(({ region, failures }) =>
      Object.entries(failures).map(([what, count]) => `${region}: ${what}: ${count.toLocaleString('en-US')}`),
    ),
  ]
}

/** The result for a terminal: Markdown tables, and what is to be known beside them. */
export function textReport(result: LoadResult): string {
  const steps = stepRows(result)
  return [
    markdownTable([[...resultColumns], ...result.regions.map(resultCells)]),
    ...(steps.length > 0 ? [markdownTable([[...stepColumns], ...steps])] : []),
    remarks(result).join('\n'),
    ...(result.missed.length > 0 ? [`Missed:\n${result.missed.join('\n')}`] : []),
  ].join('\n\n')
}

/** One line of how a run stands, no longer than the terminal is wide. */
export function progressLine({ elapsedMs, regions }: Progress, totalMs: number, columns: number): string {
  const parts = regions.map(({ region, inFlight, lastSecond }) => {
    const { answered = 0, p95Ms = 0, failed = 0, exhausted = 0 } = lastSecond ?? {}
    const bad = `${exhausted > 0 ? `, ${exhausted} exhausted` : ''}${failed > 0 ? `, ${failed} failed` : ''}`
    return `${region} ${answered}/s p95 ${p95Ms.toFixed(1)} ms, ${inFlight} under way${bad}`
  })
  const seconds = `${Math.round(elapsedMs / 1000)}/${Math.round(totalMs / 1000)} s`
  return [seconds, ...parts].join(' │ ').slice(0, columns - 1)
}

function latencyCells({ p50, p95, p99 }: LatencySummary): string[] {
  return [p50, p95, p99].map((ms) => ms.toFixed(1))
}

function wholeNumber(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

import { escapeHtml, legendHtml, linePlotSvg } from './line-plot.ts'
import type { RegionResult, Second } from './meter.ts'
import { remarks, resultCells, resultColumns, stepColumns, stepRows } from './report-text.ts'
import type { LoadResult } from './run.ts'

const timeTicksMax = 10
const style = `
:root { color-scheme: light; font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff }
body { max-width: 800px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; margin: 0 }
table { border-collapse: collapse; width: 100%; margin: 1.2rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left; white-space: nowrap }
svg { width: 100%; height: auto; margin: .8rem 0 }
svg text { font: 11px system-ui, sans-serif; fill: #444 }
svg .title { font-size: 14px; font-weight: 600; fill: #222 }
svg .grid { stroke: #e4e4e4 }
.legend span { margin-right: 1rem; white-space: nowrap }
.legend i { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px }
.missed { color: #a32a44; font-weight: 600 }
.small { color: #666 }
`

/** A page with the tables and plots of a load, that needs nothing from elsewhere. */
export function htmlReport(result: LoadResult): string {
  const { regions, startedAt, missed } = result
  const steps = stepRows(result)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="content-security-policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Load of ${escapeHtml(startedAt)}</title>
<style>${style}</style>
</head>
<body>
<h1>Load of ${escapeHtml(startedAt)}</h1>
<p class="small">${escapeHtml(describe(result))}</p>
${missed.length > 0 ? `<p class="missed">Missed:<br>${missed.map(escapeHtml).join('<br>')}</p>` : ''}
${tableHtml([[...resultColumns], ...regions.map(resultCells)])}
<p class="legend">${legendHtml(regions.map(({ region }) => region))}</p>
${latencyPlot(regions)}
${plotOverTime(regions, { title: 'Throughput over time', yLabel: 'answered a second', of: ({ answered }) => answered })}
${plotOverTime(regions, { title: 'p95 over time', yLabel: 'ms', of: ({ p95Ms }) => p95Ms })}
${steps.length > 0 ? tableHtml([[...stepColumns], ...steps]) : ''}
<p class="small">${remarks(result).map(escapeHtml).join('<br>')}</p>
</body>
</html>
`
}

function describe({ options }: LoadResult): string {
  const { workload, limit, ratePerSec, arrivals, rampMs, durationMs, connections } = options
  const operation =
    workload === 'take' ? `tokens taken of the limit "${limit}"` : 'ratings written, each followed by a read'
  const { users, userSkew, subjects, subjectSkew, seed } = options
  return [
    `${ratePerSec.toLocaleString('en-US')} ${operation} a second in each region (${arrivals} arrivals)`,
    `${durationMs / 1000} s after a ramp of ${rampMs / 1000} s, which the tables leave out`,
    `${users.toLocaleString('en-US')} users (skew ${userSkew}), ${subjects.toLocaleString('en-US')} subjects (skew ${subjectSkew})`,
    `${connections} connections at most to each region, seed ${seed}`,
    'latencies count from the time that an operation was due',
  ].join(' · ')
}

function tableHtml([head, ...body]: readonly (readonly string[])[]): string {
  return `<table>\n${[rowHtml(head!, 'th'), ...body.map((cells) => rowHtml(cells, 'td'))].join('\n')}\n</table>`
}

function rowHtml(cells: readonly string[], tag: 'th' | 'td'): string {
  return `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`
}

function latencyPlot(regions: readonly RegionResult[]): string {
  return linePlotSvg({
    title: 'Latency by percentile',
    xLabel: 'percentile',
    yLabel: 'ms',
    xTicks: [0, 50, 90, 99, 99.9, 99.99].map((percent) => ({ x: nines(percent), text: `${percent} %` })),
    series: regions.map(({ region, percentiles }) => ({
      name: region,
      points: percentiles
        .filter(([percent]) => percent < 100)
        .map(([percent, ms]) => [nines(percent), ms] as const),
    })),
  })
}

/** Each 9 of a percentile takes as much room as the one before. */
function nines(percent: number): number {
  return -Math.log10(1 - percent / 100)
}

function plotOverTime(
  regions: readonly RegionResult[],
  { title, yLabel, of }: { title: string; yLabel: string; of: (second: Second) => number },
): string {
  const last = Math.max(1, ...regions.map(({ seconds }) => seconds.length))
  const between = Math.max(1, Math.ceil(last / timeTicksMax))
  const ticks = Array.from({ length: Math.floor(last / between) + 1 }, (_, at) => at * between)
  if (ticks.at(-1) !== last) ticks.push(last)
  return linePlotSvg({
    title,
    xLabel: 'seconds from the start',
    yLabel,
    xTicks: ticks.map((x) => ({ x, text: String(x) })),
    series: regions.map(({ region, seconds }) => ({
      name: region,
      points: seconds.map((second) => [second.second + 1, of(second)] as const),
    })),
  })
}

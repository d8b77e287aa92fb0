import { styleText } from 'node:util'
import { readEdges, type EdgeAddress } from '../deploy/edges-file.ts'
import { isHealthy, type EdgeStatus } from '../deploy/status/edge-status.ts'
import { watchEdges } from '../deploy/status/scrape.ts'
import { exitCodes, fail } from './fail.ts'
import { formatTable } from './table.ts'
import { trustProjectAuthorities } from './trust.ts'

interface StatusOptions {
  readonly watch: boolean
  readonly json: boolean
  readonly interval: number
}

const clearScreen = '\u001b[H\u001b[2J'

/** `openclaw status`: how the regions do; ends with 1 unless every edge answers, is ready, and hears all others. */
export async function status({ watch, json, interval }: StatusOptions): Promise<void> {
  const credential = process.env['OPENCLAW_API_KEY'] || undefined
  if (!watch && (await projectEdges()).length === 0)
    fail('no edge of this project runs: start some, such as by `openclaw dev`', exitCodes.nothingThere)
  await trustProjectAuthorities()
  // A reader that has gone, such as `head`, takes no more output.
  process.stdout.on('error', () => process.exit(0))
  for await (const statuses of watchEdges(projectEdges, { intervalMs: interval, credential })) {
    const text = json ? `${JSON.stringify({ edges: statuses })}\n` : table(statuses)
    process.stdout.write(watch && !json && process.stdout.isTTY ? `${clearScreen}${text}` : text)
    if (watch) continue
    process.exitCode = statuses.every(isHealthy) ? 0 : 1
    return
  }
}

function projectEdges(): Promise<readonly EdgeAddress[]> {
  return readEdges(process.cwd())
}

function table(statuses: readonly EdgeStatus[]): string {
  if (statuses.length === 0) return 'No edge of this project runs.\n'
  const rows = statuses.map((edge) => [
    edge.replica,
    edge.url,
    colored(edge.state, edge.state === 'ready' ? 'green' : 'red'),
    contact(edge),
    orDash(edge.lagMs, (ms) => `${ms.toFixed(0)} ms`),
    orDash(edge.buckets, (buckets) => buckets.toLocaleString('en')),
    orDash(edge.requestsPerSec, (rate) => rate.toFixed(1)),
    orDash(edge.p95Ms, (ms) => `${ms.toFixed(1)} ms`),
    orDash(edge.depletion, (part) => `${(part * 100).toFixed(1)} %`),
  ])
  const head = ['REPLICA', 'URL', 'STATE', 'CONTACT', 'LAG', 'BUCKETS', 'REQUESTS/S', 'P95', 'DEPLETION']
  const problems = statuses.flatMap(({ replica, problem }) =>
    problem === null ? [] : [`${replica}: ${problem}`],
  )
  return `${[formatTable(head, rows), ...problems].join('\n')}\n`
}

function contact({ peersInContact, peers }: EdgeStatus): string {
  if (peersInContact === null || peers === null) return '-'
  return colored(`${peersInContact} of ${peers}`, peersInContact < peers ? 'red' : 'green')
}

function orDash(value: number | null, show: (value: number) => string): string {
  return value === null ? '-' : show(value)
}

/** Colored on a terminal that takes it, as NO_COLOR and FORCE_COLOR say. */
function colored(text: string, color: 'green' | 'red'): string {
  return styleText(color, text, { stream: process.stdout })
}

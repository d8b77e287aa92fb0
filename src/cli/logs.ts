import { styleText } from 'node:util'
import { UsageError } from './fail.ts'
import { openProject } from './project.ts'

interface LogsOptions {
  readonly region: readonly string[]
  readonly lines: number
  readonly follow?: boolean
  readonly json?: boolean
}

/** `openclaw logs`: what the edges logged, a line of JSON each; with several regions each line begins with its region. */
export async function logs({ region, lines, follow, json }: LogsOptions): Promise<void> {
  const { target, project } = await openProject()
  const known = project.edges.map((edge) => edge.region)
  const unknown = region.filter((one) => !known.includes(one))
  if (unknown.length > 0)
    throw new UsageError(
      `--region ${unknown.join(', ')} is not allowed; allowed: ${known.join(', ') || 'none is provisioned'}`,
    )
  const regions = region.length > 0 ? region : known
  const width = Math.max(...regions.map((one) => one.length))
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  process.once('SIGTERM', () => stop.abort())
  // Such as `| head`.
  process.stdout.on('error', () => stop.abort())
  await target.logs({
    regions,
    lines,
    follow: follow ? stop.signal : undefined,
    onLine: (from, line) => {
      const prefix =
        json || regions.length === 1
          ? ''
          : `${styleText('cyan', from.padEnd(width), { stream: process.stdout })}  `
      process.stdout.write(`${prefix}${json ? asJson(from, line) : line}\n`)
    },
  })
}

/** A line that isn't JSON already, such as of a crash, becomes some. */
function asJson(region: string, line: string): string {
  try {
    JSON.parse(line)
    return line
  } catch {
    return JSON.stringify({ region, msg: line })
  }
}

import type { WantedEdge } from '../deploy/project.ts'
import type { Size } from '../deploy/sizes.ts'
import { outputOf } from './output.ts'
import { openProject } from './project.ts'

interface ProvisionOptions {
  readonly region: readonly string[]
  readonly size: Size
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** `openclaw edge provision`: notes where edges are wanted, and makes places for them. */
export async function provision(options: ProvisionOptions): Promise<void> {
  const output = outputOf(options)
  const { target } = await openProject()
  const wanted: WantedEdge[] = [...new Set(options.region)].map((region) => ({ region, size: options.size }))
  if (options.dryRun) {
    const lines = wanted.map(({ region, size }) => `would provision ${region} (${size})`)
    return output.result({ dryRun: true, edges: wanted }, lines.join('\n'))
  }
  const edges = await target.provision(wanted)
  const width = Math.max(...edges.map(({ region }) => region.length))
  output.result(
    { dryRun: false, edges },
    edges.map(({ region, size, url }) => `${region.padEnd(width)}  ${size.padEnd(6)}  ${url}`).join('\n'),
  )
}

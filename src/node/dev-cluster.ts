import { join } from 'node:path'
import type { EdgeConfig } from '../config/edge-config.ts'
import { openPglite } from '../ratings/pglite-driver.ts'
import { openSqlStore } from '../ratings/sql-store.ts'
import { InProcessNetwork } from '../replication/in-process.ts'
import { regionOf } from '../replication/transport.ts'
import { startEdge, type Edge } from './edge.ts'
import { randomHashKey } from './hash-key.ts'
import { lockDirectory } from './lock.ts'
import type { Logger } from './logger.ts'
import type { TracingSettings } from './tracing-settings.ts'

export interface DevClusterOptions {
  readonly config: EdgeConfig
  /** The first region's port; the others follow. 0: any free ports. */
  readonly port: number
  readonly dataDir: string
  /** Whether messages between regions take as long as between continents. */
  readonly delay: boolean
  readonly loggerFor: (region: string) => Logger
  readonly tracing?: TracingSettings | undefined
}

export interface DevCluster {
  readonly edges: readonly Edge[]
  close(): Promise<void>
}

/** One-way delays between the guide's regions, in milliseconds; other pairs take the middle one. */
const delaysMs: Record<string, number> = {
  'eu-central-1 us-east-1': 40,
  'ap-southeast-2 us-east-1': 75,
  'ap-southeast-2 eu-central-1': 110,
}
const otherDelayMs = 75

export function regionDelayMs(a: string, b: string): number {
  return delaysMs[[a, b].toSorted().join(' ')] ?? otherDelayMs
}

/** All regions of a configuration in this process: each a whole edge, on one embedded store, joined in memory. */
export async function startDevCluster(options: DevClusterOptions): Promise<DevCluster> {
  const { config, port, delay } = options
  const unlock = await lockDirectory(options.dataDir)
  const closers: (() => Promise<void>)[] = [unlock]
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer()
  }
  try {
    const store = await openSqlStore(await openPglite(join(options.dataDir, 'pglite')))
    closers.push(() => store.close())
    const network = new InProcessNetwork({
      delayMs: (from, to) => (delay ? regionDelayMs(regionOf(from), regionOf(to)) : 0),
      schedule: setTimeout,
    })
    const hashKey = randomHashKey()
    const edges: Edge[] = []
    for (const [index, region] of config.regions.entries()) {
      const edge = await startEdge({
        config,
        transport: network.connect(`${region}/0`),
        store,
        hashKey,
        logger: options.loggerFor(region),
        tracing: options.tracing,
        port: port === 0 ? 0 : port + index,
        // All of the cluster starts and ends together.
        startsFresh: true,
      })
      edges.push(edge)
      closers.push(() => edge.close())
    }
    return { edges, close }
  } catch (error) {
    await close()
    throw error
  }
}

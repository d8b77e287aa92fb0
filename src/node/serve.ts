import { join } from 'node:path'
import type { EdgeConfig } from '../config/edge-config.ts'
import { openPglite } from '../ratings/pglite-driver.ts'
import { openPostgres } from '../ratings/postgres-driver.ts'
import { openSqlStore } from '../ratings/sql-store.ts'
import type { RatingStore } from '../ratings/store.ts'
import { InProcessNetwork } from '../replication/in-process.ts'
import { startEdge, type Edge } from './edge.ts'
import { hashKeyFrom, randomHashKey } from './hash-key.ts'
import { lockDirectory } from './lock.ts'
import type { Logger } from './logger.ts'

export interface ServeOptions {
  readonly config: EdgeConfig
  readonly region: string
  readonly ordinal: number
  readonly logger: Logger
}

/** No limit has a share for the region. */
export class UnknownRegionError extends Error {
  override readonly name = 'UnknownRegionError'

  constructor(region: string, known: readonly string[]) {
    super(`region "${region}" has no share of any limit; allowed: ${known.join(', ')}`)
  }
}

/** One edge node on the configured store. @throws {UnknownRegionError} */
export async function startNode({ config, region, ordinal, logger }: ServeOptions): Promise<Edge> {
  if (!config.regions.includes(region)) throw new UnknownRegionError(region, config.regions)
  const { store, close } = await openStore(config.store)
  // Alone in its network: nodes of several processes aren't joined yet.
  const network = new InProcessNetwork({ delayMs: () => 0, schedule: setTimeout })
  const secret = config.cluster.hashKey
  try {
    const edge = await startEdge({
      config,
      transport: network.connect(`${region}/${ordinal}`),
      store,
      hashKey: secret ? hashKeyFrom(secret.reveal()) : randomHashKey(),
      logger,
      port: config.http.port,
    })
    return { ...edge, close: () => inTurn(() => edge.close(), close) }
  } catch (error) {
    await close()
    throw error
  }
}

async function openStore(
  config: EdgeConfig['store'],
): Promise<{ store: RatingStore; close: () => Promise<void> }> {
  if (config.url) {
    const store = await openSqlStore(openPostgres({ ...config, url: config.url.reveal() }))
    return { store, close: () => store.close() }
  }
  const unlock = await lockDirectory(config.dataDir)
  try {
    const store = await openSqlStore(await openPglite(join(config.dataDir, 'pglite')))
    return { store, close: () => inTurn(() => store.close(), unlock) }
  } catch (error) {
    await unlock()
    throw error
  }
}

/** Each even if the one before fails. */
async function inTurn(first: () => Promise<void>, second: () => Promise<void>): Promise<void> {
  try {
    await first()
  } finally {
    await second()
  }
}

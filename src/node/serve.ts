import { join as joinPath } from 'node:path'
import type { EdgeConfig } from '../config/edge-config.ts'
import { openPglite } from '../ratings/pglite-driver.ts'
import { openPostgres } from '../ratings/postgres-driver.ts'
import { ReplicaReads } from '../ratings/replica-reads.ts'
import type { Sql } from '../ratings/sql.ts'
import { StoreUnavailableError } from '../ratings/errors.ts'
import { openSqlStore, openSqlStoreLater } from '../ratings/sql-store.ts'
import type { RatingStore } from '../ratings/store.ts'
import { InProcessNetwork } from '../replication/in-process.ts'
import { startEdge, type Edge, type EdgeOptions } from './edge.ts'
import { hashKeyFrom, randomHashKey } from './hash-key.ts'
import { lockDirectory } from './lock.ts'
import type { Logger } from './logger.ts'
import { joinNats } from './nats-node.ts'
import type { ReachedStores } from './reached-stores.ts'
import type { TracingSettings } from './tracing-settings.ts'

export interface ServeOptions {
  readonly config: EdgeConfig
  readonly region: string
  readonly ordinal: number
  readonly logger: Logger
  readonly tracing?: TracingSettings | undefined
  /** The node can't go on: another process runs as the same replica. */
  readonly onLost: () => void
}

/** No limit has a share for the region. */
export class UnknownRegionError extends Error {
  override readonly name = 'UnknownRegionError'

  constructor(region: string, known: readonly string[]) {
    super(`region "${region}" has no share of any limit; allowed: ${known.join(', ')}`)
  }
}

/** Nodes that are joined have to share the secret by which they hash keys. */
export class NoHashKeyError extends Error {
  override readonly name = 'NoHashKeyError'

  constructor() {
    super(
      'cluster.nats joins this node to others, which must all hash keys alike: set the environment variable that cluster.hash_key_env names (OPENCLAW_HASH_KEY unless said otherwise) to the same 16 to 1024 hexadecimal digits in all of them, such as `openssl rand -hex 32` makes',
    )
  }
}

/** One edge node on the configured store. @throws {UnknownRegionError} @throws {NoHashKeyError} */
export async function startNode(options: ServeOptions): Promise<Edge> {
  const { config, region, logger } = options
  if (!config.regions.includes(region)) throw new UnknownRegionError(region, config.regions)
  const secret = config.cluster.hashKey
  if (config.cluster.nats && !secret) throw new NoHashKeyError()
  const { reachedStores, ...joined } = await join(options, secret?.reveal())
  try {
    const { close, ...opened } = await openStore(config.store, { reachedStores, logger })
    try {
      const edge = await startEdge({
        config,
        ...joined,
        ...opened,
        hashKey: secret ? hashKeyFrom(secret.reveal()) : randomHashKey(),
        logger,
        tracing: options.tracing,
        port: config.http.port,
      })
      return { ...edge, close: (how) => inTurn(() => edge.close(how), close) }
    } catch (error) {
      await close()
      throw error
    }
  } catch (error) {
    await joined.transport.close()
    throw error
  }
}

interface Place extends Pick<
  EdgeOptions,
  'transport' | 'snapshots' | 'queue' | 'sharedLimits' | 'startsFresh'
> {
  readonly reachedStores?: ReachedStores | undefined
}

async function join(
  { config, region, ordinal, logger, onLost }: ServeOptions,
  secret: string | undefined,
): Promise<Place> {
  const replica = `${region}/${ordinal}`
  const { nats } = config.cluster
  if (nats && secret !== undefined) {
    const joined = await joinNats({
      cluster: config.cluster,
      nats,
      queue: config.store.queue,
      replica,
      secret,
      logger,
      onLost,
    })
    return { ...joined, startsFresh: false }
  }
  const network = new InProcessNetwork({ delayMs: () => 0, schedule: setTimeout })
  // A node that is alone has leased nothing to anybody.
  return { transport: network.connect(replica), startsFresh: true }
}

interface OpenStore extends Pick<EdgeOptions, 'store' | 'withReplica'> {
  readonly close: () => Promise<void>
}

interface StoreSurroundings {
  readonly reachedStores: ReachedStores | undefined
  readonly logger: Logger
}

async function openStore(config: EdgeConfig['store'], surroundings: StoreSurroundings): Promise<OpenStore> {
  const { logger } = surroundings
  if (config.url) {
    const primary = openPostgres({ ...config, url: config.url.reveal() })
    const store = await openPrimary(primary, config.url.reveal(), surroundings)
    if (!config.readUrl) return { store, close: () => store.close() }
    const replica = openPostgres({ ...config, url: config.readUrl.reveal() })
    const onUse = (used: boolean): void =>
      used
        ? logger.info('reads go to the replica of the store')
        : logger.warn('the replica of the store is away or far behind: reads go to the primary')
    return {
      store,
      withReplica: (guarded) => new ReplicaReads(guarded, { primary, replica, onUse }),
      close: () =>
        inTurn(
          () => store.close(),
          () => replica.close(),
        ),
    }
  }
  const unlock = await lockDirectory(config.dataDir)
  try {
    const store = await openSqlStore(await openPglite(joinPath(config.dataDir, 'pglite')))
    return { store, close: () => inTurn(() => store.close(), unlock) }
  } catch (error) {
    await unlock()
    throw error
  }
}

/** A database that is away is taken for a wrong address, unless an edge of the region has reached it at this one before. */
async function openPrimary(
  primary: Sql,
  url: string,
  { reachedStores, logger }: StoreSurroundings,
): Promise<RatingStore> {
  try {
    const store = await openSqlStore(primary)
    await reachedStores?.add(url).catch((error: unknown) => {
      logger.warn({ err: error }, 'not noted that the store was reached: a start while it is away will fail')
    })
    return store
  } catch (error) {
    const isKnown = await reachedStores?.has(url).catch(() => false)
    if (!(error instanceof StoreUnavailableError) || isKnown !== true) throw error
    logger.warn({ err: error }, 'the store is away, and was reached before: this node starts without it')
    return openSqlStoreLater(primary)
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

import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import {
  credsAuthenticator,
  nkeyAuthenticator,
  type Authenticator,
  type TlsOptions,
} from '@nats-io/transport-node'
import type { EdgeConfig, NatsConfig } from '../config/edge-config.ts'
import { openNatsQueue } from '../ratings/nats-queue.ts'
import type { WriteQueue } from '../ratings/write-queue.ts'
import { claimIdentity } from '../replication/identity-lease.ts'
import { connectNats, type NatsTransport } from '../replication/nats.ts'
import { NoJetStreamError } from '../replication/region-bucket.ts'
import { openSnapshotStore, type SnapshotStore } from '../replication/snapshot-store.ts'
import { regionOf, type ReplicaId } from '../replication/transport.ts'
import type { Logger } from './logger.ts'
import { ReachedStores } from './reached-stores.ts'
import { SharedLimits } from './shared-limits.ts'

export interface JoinOptions {
  readonly cluster: EdgeConfig['cluster']
  readonly nats: NatsConfig
  readonly queue: EdgeConfig['store']['queue']
  readonly replica: ReplicaId
  /** What the nodes of the cluster share, and nobody else knows. */
  readonly secret: string
  readonly logger: Logger
  /** The name of the replica went to another process: this one has to end. */
  readonly onLost: () => void
}

/** A file that the configuration names for NATS can't be read. */
export class NatsFileError extends Error {
  override readonly name = 'NatsFileError'
}

/** A node's place among the others. */
export interface Joined {
  readonly transport: NatsTransport
  /** Where its next life finds what this one knows; undefined without JetStream. */
  readonly snapshots: SnapshotStore | undefined
  /** Where ratings wait while the store is away; undefined without JetStream. */
  readonly queue: WriteQueue | undefined
  /** The limits that all regions agreed on; undefined without JetStream. */
  readonly sharedLimits: SharedLimits | undefined
  /** Undefined without JetStream. */
  readonly reachedStores: ReachedStores | undefined
}

/** How long a killed process keeps its name: a restart waits that long at most. */
const leaseTtlMs = 10_000

/**
 * Connects a node to NATS and claims its replica's name, so that no two processes count as one.
 * @throws {IdentityTakenError} @throws {NatsFileError}
 */
export async function joinNats(options: JoinOptions): Promise<Joined> {
  const { cluster, nats, replica, logger, onLost } = options
  const authenticator = await authenticatorOf(nats)
  const tls = tlsOf(nats)
  logger.info({ servers: nats.servers }, 'connecting to NATS')
  const transport = await connectNats({
    self: replica,
    cluster: cluster.name,
    servers: nats.servers,
    ...(authenticator && { authenticator }),
    ...(tls && { tls }),
    onStatus: (status) => logger[status.type === 'reconnect' ? 'info' : 'warn'](status, 'NATS connection'),
  })
  logger.info({ server: transport.connection.getServer() }, 'connected to NATS')
  try {
    const { connection } = transport
    const place = { cluster: cluster.name, replica, domain: nats.jetStreamDomain ?? undefined }
    const holder = { host: hostname(), pid: process.pid, since: new Date().toISOString() }
    const lease = await claimIdentity(connection, { ...place, holder, ttlMs: leaseTtlMs, onLost })
    transport.beforeClose(() => lease.release())
    const snapshots = await openSnapshotStore(connection, place)
    const queue = await openQueue(transport, options)
    const sharedLimits = await SharedLimits.open({ connection, ...place, logger })
    const reachedStores = await ReachedStores.open(connection, { ...place, secret: options.secret })
    return { transport, snapshots, queue, sharedLimits, reachedStores }
  } catch (error) {
    if (!(error instanceof NoJetStreamError)) {
      await transport.close()
      throw error
    }
    logger.warn(
      { reason: error.message },
      'NATS has no JetStream: nothing hinders a second process from running as this replica, and nothing is known after a restart',
    )
    return {
      transport,
      snapshots: undefined,
      queue: undefined,
      sharedLimits: undefined,
      reachedStores: undefined,
    }
  }
}

/** A queue that can't be opened is none: ratings are refused then while the store is away. */
async function openQueue(
  { connection }: NatsTransport,
  { cluster, nats, queue, replica, logger }: JoinOptions,
): Promise<WriteQueue | undefined> {
  try {
    return await openNatsQueue(connection, {
      ...queue,
      cluster: cluster.name,
      region: regionOf(replica),
      domain: nats.jetStreamDomain ?? undefined,
      onMalformed: () => logger.error('a queued rating dropped: it can not be read'),
    })
  } catch (error) {
    logger.warn({ err: error }, 'no queue for ratings: they are refused while the store is away')
    return undefined
  }
}

async function authenticatorOf({ credsFile, nkeySeedFile }: NatsConfig): Promise<Authenticator | undefined> {
  if (credsFile !== null) return credsAuthenticator(await read('cluster.nats.creds_file', credsFile))
  if (nkeySeedFile === null) return undefined
  const seed = (await read('cluster.nats.nkey_seed_file', nkeySeedFile)).toString().trim()
  return nkeyAuthenticator(new TextEncoder().encode(seed))
}

async function read(field: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new NatsFileError(`${field}: ${path} can't be read (${code})`)
  }
}

function tlsOf({ tls, servers }: NatsConfig): TlsOptions | undefined {
  const isTls = tls !== null || servers.some((server) => server.startsWith('tls:'))
  if (!isTls) return undefined
  const { caFile = null, certFile = null, keyFile = null } = tls ?? {}
  return {
    ...(caFile !== null && { caFile }),
    ...(certFile !== null && { certFile }),
    ...(keyFile !== null && { keyFile }),
  }
}

import { jetstream } from '@nats-io/jetstream'
import { Kvm, type KV } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { regionOf, type ReplicaId } from './transport.ts'

export interface RegionBucketOptions {
  readonly cluster: string
  /** Whose region it is. */
  readonly replica: ReplicaId
  /** What is kept in it. */
  readonly content: string
  /** Of the JetStream, where it is behind a leaf node; else the servers' own. */
  readonly domain?: string | undefined
  /** How long an entry is kept; milliseconds, 0 for ever. */
  readonly ttlMs: number
}

/** The servers have no JetStream, or none of the region's answers. */
export class NoJetStreamError extends Error {
  override readonly name = 'NoJetStreamError'
}

const attemptsMax = 10
const retryMs = 1000

/**
 * A key-value bucket in the JetStream of a region's own servers, made if it isn't there: what a region needs when it comes back cold
 * has to be there while all others are out of reach. Of each key the last value is kept. JetStream that
 * isn't ready yet, as right after the servers' start, is waited for.
 * @throws {NoJetStreamError}
 */
export async function openRegionBucket(
  connection: NatsConnection,
  { cluster, replica, content, domain, ttlMs }: RegionBucketOptions,
): Promise<KV> {
  const name = regionBucketName(cluster, replica, content)
  // What the whole account has only the leader of all regions' servers can tell, and it may be out of reach.
  const client = jetstream(connection, { checkAPI: false, ...(domain !== undefined && { domain }) })
  for (let attempt = 1; ; attempt++) {
    try {
      return await new Kvm(client).create(name, { history: 1, ttl: ttlMs })
    } catch (error) {
      const mayCome = connection.info?.jetstream === true || domain !== undefined
      if (!mayCome || attempt === attemptsMax)
        throw new NoJetStreamError(error instanceof Error ? error.message : String(error), { cause: error })
    }
    await new Promise((resolve) => setTimeout(resolve, retryMs))
  }
}

export function regionBucketName(cluster: string, replica: ReplicaId, content: string): string {
  return bucketName(['openclaw', cluster, regionOf(replica), content])
}

/** Of a bucket that all regions share. */
export function clusterBucketName(cluster: string, content: string): string {
  return bucketName(['openclaw', cluster, content])
}

function bucketName(parts: readonly string[]): string {
  return parts.map(plain).join('_')
}

/** A name with what names of streams may have. */
export function plain(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_-]/g, '_')
}

/** A replica's name as a key: those have letters, digits, `-`, `_`, `/`, `=` and single dots. */
export function keyOf(replica: ReplicaId): string {
  return replica.replaceAll(/[^A-Za-z0-9_/-]/g, (char) => `=${char.codePointAt(0)!.toString(16)}`)
}

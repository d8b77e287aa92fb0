import { replicaToken, subjectPrefix } from './nats.ts'
import { clusterBucketName, keyOf, regionBucketName } from './region-bucket.ts'
import type { ReplicaId } from './transport.ts'

/** Subjects that a NATS user may publish to and subscribe to. */
export interface NatsPermissions {
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
}

/**
 * The least that a replica needs: it speaks in its own name only, and writes only its own entries of what is kept. Replicas that may
 * not apply limits take them over from those that may.
 */
export function natsPermissions(
  cluster: string,
  replica: ReplicaId,
  { mayApply }: { mayApply: boolean },
): NatsPermissions {
  const prefix = subjectPrefix(cluster)
  const self = replicaToken(replica)
  const key = keyOf(replica)
  const [replicas, snapshots] = ['replicas', 'snapshots'].map((content) =>
    regionBucketName(cluster, replica, content),
  )
  const config = clusterBucketName(cluster, 'config')
  return {
    publish: [
      `${prefix}.*.all.${self}`,
      `${prefix}.*.to.*.${self}`,
      ...[replicas!, snapshots!, config].flatMap(useOfBucket),
      `$KV.${replicas}.${key}`,
      `$KV.${snapshots}.${key}.>`,
      `$KV.${config}.state.${key}`,
      ...(mayApply ? [`$KV.${config}.current`, `$KV.${config}.proposal`] : []),
    ],
    subscribe: [`${prefix}.*.all.*`, `${prefix}.*.to.${self}.*`, `_INBOX.${self}.>`],
  }
}

/** To make a bucket if it isn't there, to read it and to watch it. */
function useOfBucket(bucket: string): string[] {
  const stream = `KV_${bucket}`
  return [
    `$JS.API.STREAM.CREATE.${stream}`,
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.DIRECT.GET.${stream}.>`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.DELETE.${stream}.>`,
    `$JS.API.CONSUMER.INFO.${stream}.>`,
    `$JS.FC.${stream}.>`,
  ]
}

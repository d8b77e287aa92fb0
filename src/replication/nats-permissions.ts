import { replicaToken, subjectPrefix } from './nats.ts'
import { clusterBucketName, keyOf, plain, regionBucketName } from './region-bucket.ts'
import { regionOf, type ReplicaId } from './transport.ts'

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
  { mayApply, domain }: { readonly mayApply: boolean; readonly domain?: string | undefined },
): NatsPermissions {
  const prefix = subjectPrefix(cluster)
  const self = replicaToken(replica)
  const key = keyOf(replica)
  const regional = ['replicas', 'snapshots', 'limits', 'stores'].map((content) =>
    regionBucketName(cluster, replica, content),
  )
  const writes = domain === undefined ? '' : `${apiPrefix(domain)}.`
  const config = clusterBucketName(cluster, 'config')
  return {
    publish: [
      `${prefix}.*.all.${self}`,
      `${prefix}.*.to.*.${self}`,
      ...regional.flatMap((bucket) => useOfBucket(bucket, domain)),
      ...useOfBucket(config, domain),
      ...regional.flatMap((bucket, at) => `${writes}$KV.${bucket}.${[key, `${key}.>`, 'current', key][at]}`),
      `${writes}$KV.${config}.state.${key}`,
      ...useOfQueue(cluster, replica, domain),
      ...(mayApply ? [`${writes}$KV.${config}.current`, `${writes}$KV.${config}.proposal`] : []),
    ],
    subscribe: [`${prefix}.*.all.*`, `${prefix}.*.to.${self}.*`, `_INBOX.${self}.>`],
  }
}

/** To make the region's queue of ratings, to fill and to empty it. */
function useOfQueue(cluster: string, replica: ReplicaId, domain: string | undefined): string[] {
  const stream = regionBucketName(cluster, replica, 'ratings')
  const api = apiPrefix(domain)
  return [
    `openclaw.${plain(cluster)}.ratings.${plain(regionOf(replica))}`,
    ...['CREATE', 'UPDATE', 'INFO', 'MSG.GET'].map((call) => `${api}.STREAM.${call}.${stream}`),
    ...['CREATE', 'DURABLE.CREATE', 'INFO', 'MSG.NEXT'].map((call) => `${api}.CONSUMER.${call}.${stream}.>`),
    `$JS.ACK.${stream}.>`,
  ]
}

/** To make a bucket if it isn't there, to read it and to watch it. */
function useOfBucket(bucket: string, domain: string | undefined): string[] {
  const stream = `KV_${bucket}`
  const api = apiPrefix(domain)
  return [
    `${api}.STREAM.CREATE.${stream}`,
    `${api}.STREAM.INFO.${stream}`,
    `${api}.DIRECT.GET.${stream}.>`,
    `${api}.STREAM.MSG.GET.${stream}`,
    `${api}.CONSUMER.CREATE.${stream}.>`,
    `${api}.CONSUMER.DELETE.${stream}.>`,
    `${api}.CONSUMER.INFO.${stream}.>`,
    `$JS.FC.${stream}.>`,
  ]
}

function apiPrefix(domain: string | undefined): string {
  return domain === undefined ? '$JS.API' : `$JS.${domain}.API`
}

import { createHmac } from 'node:crypto'
import type { KV } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { keyOf, openRegionBucket, type RegionBucketOptions } from '../replication/region-bucket.ts'

/**
 * Which database each edge of the region reached last. An address at which one was reached is no mistake, so an edge can start while
 * it doesn't answer. Kept in the region's JetStream, as a digest that needs the cluster's secret.
 */
export class ReachedStores {
  readonly #kv: KV
  readonly #key: string
  readonly #secret: string

  private constructor(kv: KV, key: string, secret: string) {
    this.#kv = kv
    this.#key = key
    this.#secret = secret
  }

  /** @throws {NoJetStreamError} */
  static async open(
    connection: NatsConnection,
    { secret, ...place }: Pick<RegionBucketOptions, 'cluster' | 'replica' | 'domain'> & { secret: string },
  ): Promise<ReachedStores> {
    const kv = await openRegionBucket(connection, { ...place, content: 'stores', ttlMs: 0 })
    return new ReachedStores(kv, keyOf(place.replica), secret)
  }

  /** Whether an edge of the region has reached the database at this URL; rejects when no server answers. */
  async has(url: string): Promise<boolean> {
    const digest = this.#digest(url)
    for await (const key of await this.#kv.keys()) {
      if ((await this.#kv.get(key))?.string() === digest) return true
    }
    return false
  }

  /** Rejects when no server answers. */
  async add(url: string): Promise<void> {
    await this.#kv.put(this.#key, this.#digest(url))
  }

  #digest(url: string): string {
    return createHmac('sha256', this.#secret).update(url).digest('hex')
  }
}

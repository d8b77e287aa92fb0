import type { KV } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { keyOf, openRegionBucket, type RegionBucketOptions } from './region-bucket.ts'

/** What the earlier lives of a replica saved. */
export interface EarlierSnapshot {
  readonly pages: readonly { readonly payload: Uint8Array; readonly agoMs: number }[]
  /** Written in full by a life that ended in good order, and not started from since. */
  readonly isLast: boolean
}

/** Keeps what a replica knows where its next life finds it. All methods reject when no server answers. */
export interface SnapshotStore {
  /** What earlier lives saved; undefined if there was none. To be called once, first: a snapshot is the last for one start only. */
  begin(): Promise<EarlierSnapshot | undefined>
  /** Saves a page, in place of the one with that number. */
  put(page: number, payload: Uint8Array): Promise<void>
  /** From now on there are so many pages. */
  seal(pages: number, options: { readonly isLast: boolean }): Promise<void>
}

/** Of half a megabyte each. */
const pagesMax = 32_768

/** An entry beside the pages of a replica. */
interface Contents {
  readonly pages: number
  readonly isLast: boolean
}

/** Snapshots in a JetStream key-value bucket of the replica's region. @throws {NoJetStreamError} */
export async function openSnapshotStore(
  connection: NatsConnection,
  options: Pick<RegionBucketOptions, 'cluster' | 'replica' | 'domain'>,
): Promise<SnapshotStore> {
  const kv = await openRegionBucket(connection, { ...options, content: 'snapshots', ttlMs: 0 })
  return new KvSnapshotStore(kv, keyOf(options.replica))
}

class KvSnapshotStore implements SnapshotStore {
  readonly #kv: KV
  readonly #key: string

  constructor(kv: KV, key: string) {
    this.#kv = kv
    this.#key = key
  }

  async begin(): Promise<EarlierSnapshot | undefined> {
    const contents = await this.#contents()
    await this.seal(contents?.pages ?? 0, { isLast: false })
    if (!contents) return undefined
    // How old a page is, is measured by the clock of the servers alone: this entry was written just now.
    const now = await this.#kv.get(this.#contentsKey)
    const nowMs = now?.created.getTime() ?? Number.NaN
    const pages: { payload: Uint8Array; agoMs: number }[] = []
    for (let page = 0; page < contents.pages; page++) {
      const entry = await this.#kv.get(this.#pageKey(page))
      if (entry?.operation !== 'PUT') continue
      pages.push({ payload: entry.value, agoMs: Math.max(0, nowMs - entry.created.getTime()) || 0 })
    }
    return { pages, isLast: contents.isLast && pages.length === contents.pages }
  }

  async put(page: number, payload: Uint8Array): Promise<void> {
    await this.#kv.put(this.#pageKey(page), payload)
  }

  async seal(pages: number, { isLast }: { readonly isLast: boolean }): Promise<void> {
    await this.#kv.put(this.#contentsKey, JSON.stringify({ pages, isLast } satisfies Contents))
  }

  /** Undefined if no life of the replica has begun; no pages if what stands there can't be read. */
  async #contents(): Promise<Contents | undefined> {
    const entry = await this.#kv.get(this.#contentsKey)
    if (entry?.operation !== 'PUT') return undefined
    try {
      const { pages, isLast } = entry.json<Partial<Contents>>()
      if (Number.isInteger(pages) && pages! >= 0 && pages! <= pagesMax)
        return { pages: pages!, isLast: isLast === true }
    } catch {
      // Falls through: an earlier life there was, whatever it knew.
    }
    return { pages: 0, isLast: false }
  }

  get #contentsKey(): string {
    return `${this.#key}.contents`
  }

  #pageKey(page: number): string {
    return `${this.#key}.${page}`
  }
}

import { LRUCache } from 'lru-cache'

export interface ReadCacheOptions {
  /** Entries at most. */
  readonly maxEntries: number
  /** How long an entry is fresh. */
  readonly ttlMs: number
  /** How long after that it may be served while it is read anew, or while it can't be. */
  readonly staleMs: number
  /** Monotonic time. */
  readonly nowMs?: () => number
}

/** Reads that a change overtakes are tried again so often, and then go past the cache. */
const attemptsMax = 3

type Load<Value> = () => Promise<Value>

/**
 * Remembers what was loaded. Reads of the same key at the same time make one load; a stale entry is served while it is
 * loaded anew, and while loading fails.
 */
export class ReadCache<Value> {
  readonly #entries: LRUCache<string, { readonly value: Value }, Load<Value>>
  readonly #staleMs: number
  hits = 0
  misses = 0

  constructor({ maxEntries, ttlMs, staleMs, nowMs }: ReadCacheOptions) {
    this.#staleMs = staleMs
    this.#entries = new LRUCache<string, { readonly value: Value }, Load<Value>>({
      max: maxEntries,
      ttl: ttlMs,
      allowStale: true,
      allowStaleOnFetchRejection: true,
      noDeleteOnFetchRejection: true,
      ...(nowMs && { perf: { now: nowMs }, ttlResolution: 0 }),
      fetchMethod: async (_key, _stale, { context: load }) => {
        this.misses++
        return { value: await load() }
      },
    })
  }

  get size(): number {
    return this.#entries.size
  }

  /** The value of `key`: what is remembered, or what `load` answers. */
  async read(key: string, load: Load<Value>): Promise<Value> {
    if (this.#entries.getRemainingTTL(key) < -this.#staleMs) this.#entries.delete(key)
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const before = this.misses
      try {
        const entry = await this.#entries.fetch(key, { context: load })
        if (!entry) continue
        if (this.misses === before) this.hits++
        return entry.value
      } catch (error) {
        // Forgotten while it was loaded: what was loaded may be old.
        if (!(error instanceof Error) || error.message !== forgotten) throw error
      }
    }
    return load()
  }

  /** Also makes loads under way worthless: they may have read what was there before the change. */
  forget(key: string): void {
    this.#entries.delete(key)
  }
}

/** The message of the error by which lru-cache ends the fetch of a key that is deleted. */
const forgotten = 'deleted'

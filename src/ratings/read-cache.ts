import { LRUCache } from 'lru-cache'
import { StoreUnavailableError } from './errors.ts'
import type { Read, ReadResult } from './types.ts'

export interface ReadCacheOptions {
  /** Entries at most. */
  readonly maxEntries: number
  /** Their memory at most, by an estimate. */
  readonly maxBytes: number
  /** How long an entry is fresh. */
  readonly ttlMs: number
  /** How long after that it may be served while it is read anew. */
  readonly staleMs: number
  /** How long after that, or after a change that made it outdated, it may be served while the store is away. */
  readonly staleIfErrorMs: number
  /** Monotonic time. */
  readonly nowMs?: () => number
}

export interface CachedKind<Value> {
  /** Bytes of a value in memory, about. */
  readonly bytesOf: (value: Value) => number
  readonly shared: SharedByCaches
}

/** What the caches of one store have in common. */
export class SharedByCaches {
  /** The store didn't answer when it was asked last. */
  storeIsAway = false
  readonly reads: Record<ReadResult, number> = { hit: 0, stale: 0, away: 0, miss: 0, collapsed: 0, bypass: 0 }
}

interface Entry<Value> {
  readonly value: Value
  /** When the load began: the value is no older. */
  readonly loadedAtMs: number
  /** It has changed since. */
  outdated: boolean
}

type Load<Value> = () => Promise<Value>

/** What an entry takes beside its key and value. */
const entryBytes = 200

/**
 * Remembers what was loaded. Reads of the same key at the same time make one load. A read never answers what was outdated when
 * it began, unless the store is away; then the last that is known is served, and said to be so.
 */
export class ReadCache<Value> {
  readonly #options: ReadCacheOptions
  readonly #shared: SharedByCaches
  readonly #entries: LRUCache<string, Entry<Value>>
  /** Loads under way that began after the last change of their key. */
  readonly #loads = new Map<string, Promise<Entry<Value>>>()
  readonly #nowMs: () => number

  constructor(options: ReadCacheOptions, { bytesOf, shared }: CachedKind<Value>) {
    this.#options = options
    this.#shared = shared
    this.#nowMs = options.nowMs ?? ((): number => performance.now())
    this.#entries = new LRUCache<string, Entry<Value>>({
      max: options.maxEntries,
      maxSize: options.maxBytes,
      sizeCalculation: ({ value }, key) => entryBytes + 2 * key.length + bytesOf(value),
    })
  }

  get size(): number {
    return this.#entries.size
  }

  /**
   * The value of `key`: what is remembered, or what `load` answers. `latest` is for a caller who wants what the store holds now.
   * @throws {StoreUnavailableError} when the store is away and nothing recent enough is known.
   */
  async read(key: string, load: Load<Value>, latest = false): Promise<Read<Value>> {
    const entry = latest ? undefined : this.#entries.get(key)
    const overdueMs = entry ? this.#nowMs() - entry.loadedAtMs - this.#options.ttlMs : 0
    if (entry && !entry.outdated && overdueMs < 0) return this.#answer('hit', entry)
    if (entry && this.#shared.storeIsAway && overdueMs < this.#options.staleIfErrorMs) {
      // One read at a time finds out whether it is back; more would only queue up.
      if (this.#loads.size === 0) this.#loadBeside(key, load)
      return this.#answer('away', entry)
    }
    if (entry && !entry.outdated && overdueMs < this.#options.staleMs) {
      this.#loadBeside(key, load)
      return this.#answer('stale', entry)
    }
    const underWay = latest ? undefined : this.#loads.get(key)
    try {
      const loaded = await (underWay ?? this.#load(key, load))
      return this.#answer(underWay ? 'collapsed' : 'miss', loaded)
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) || !entry) throw error
      if (overdueMs >= this.#options.staleIfErrorMs) throw error
      return this.#answer('away', entry)
    }
  }

  /** Notes a change: reads from now on load anew, and none of them waits for a load that may have missed it. */
  outdate(key: string): void {
    const entry = this.#entries.peek(key)
    if (entry) entry.outdated = true
    this.#loads.delete(key)
  }

  #answer(result: ReadResult, { value, loadedAtMs, outdated }: Entry<Value>): Read<Value> {
    this.#shared.reads[result]++
    const ageMs = this.#nowMs() - loadedAtMs
    const ttlMs = this.#options.ttlMs - ageMs
    return { value, result, ageMs, ttlMs: outdated ? Math.min(ttlMs, 0) : ttlMs }
  }

  /** Loads without anybody waiting; a failure is for the next to find. */
  #loadBeside(key: string, load: Load<Value>): void {
    if (!this.#loads.has(key)) this.#load(key, load).catch(() => {})
  }

  #load(key: string, load: Load<Value>): Promise<Entry<Value>> {
    const loading = this.#loadNow(load, (entry) => {
      entry.outdated = this.#loads.get(key) !== loading
      const known = entry.outdated ? this.#entries.peek(key) : undefined
      // What a change has overtaken is still the best there is if the store goes away.
      if (!known || known.loadedAtMs < entry.loadedAtMs) this.#entries.set(key, entry)
    }).finally(() => {
      if (this.#loads.get(key) === loading) this.#loads.delete(key)
    })
    this.#loads.set(key, loading)
    return loading
  }

  async #loadNow(load: Load<Value>, keep: (entry: Entry<Value>) => void): Promise<Entry<Value>> {
    const loadedAtMs = this.#nowMs()
    try {
      const entry = { value: await load(), loadedAtMs, outdated: false }
      this.#shared.storeIsAway = false
      keep(entry)
      return entry
    } catch (error) {
      if (error instanceof StoreUnavailableError) this.#shared.storeIsAway = true
      throw error
    }
  }
}

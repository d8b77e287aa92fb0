import { jetstream } from '@nats-io/jetstream'
import { Kvm, type KV, type KvEntry } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { clusterBucketName, keyOf, openRegionBucket } from './region-bucket.ts'
import type { ReplicaId } from './transport.ts'

/** A document that all replicas agreed on. */
export interface Version {
  /** From 1; each is one more than the one before. */
  readonly version: number
  readonly document: unknown
  /** Who proposed it, what it was made of, and when by his replica's clock (ISO 8601): for people. */
  readonly by: string
  readonly note: string
  readonly at: string
}

export interface AgreementOptions {
  readonly connection: NatsConnection
  readonly cluster: string
  readonly replica: ReplicaId
  /** Of the JetStream, where it is behind a leaf node; what all regions share is in it, so they all have the same. */
  readonly domain?: string | undefined
  /** What hinders this replica from putting a document in force; empty if nothing does. */
  readonly judge: (document: unknown) => readonly string[]
  /** The other replicas that have to agree, but for those that have said that they end: those that live. */
  readonly others: () => readonly ReplicaId[]
  /** A version was agreed on, here or elsewhere, and is to be put in force. */
  readonly onVersion: (version: Version) => void
  /** A version can't be put in force here, or what is shared can't be read now. */
  readonly onProblem: (problem: string) => void
}

export interface Proposal {
  readonly document: unknown
  readonly by: string
  readonly note: string
  readonly at: string
  /** Only asks whether all would agree. */
  readonly dryRun: boolean
}

/** Replicas by whether they have put a version in force. */
export interface Outcome {
  /** Undefined after a dry run. */
  readonly version: Version | undefined
  readonly applied: readonly ReplicaId[]
  /** They agreed, and have not said yet that it is in force. */
  readonly pending: readonly ReplicaId[]
}

/** Not all agreed: nothing was changed anywhere. */
export class NotAgreedError extends Error {
  override readonly name = 'NotAgreedError'

  constructor(reasons: readonly string[]) {
    super(reasons.join('; '))
  }
}

/** What all regions share can't be reached from here now. */
export class NotReachableError extends Error {
  override readonly name = 'NotReachableError'
}

/** What a replica says of itself. */
interface State {
  readonly replica: ReplicaId
  readonly vote: { readonly proposal: string; readonly problems: readonly string[] } | null
  /** The version in force. */
  readonly applied: number
}

const statePrefix = 'state.'
const requestTimeoutMs = 3000
const voteTimeoutMs = 4000
const appliedTimeoutMs = 5000
const retryMs = 2000
/** How long a start waits for what all regions share, before it goes on with what its own region has kept. */
const startTimeoutMs = 3000
/** Versions that can be gone back to. */
const historyMax = 64

/**
 * A document that is changed in all replicas or in none. It lies in one JetStream key-value bucket that all regions share: whoever
 * proposes one writes it there, each replica judges it and writes its vote, and if all that live agree it is written as the next
 * version: one write, which fails if there was another meanwhile. Replicas follow by a watch; who is away follows when it is back.
 * Each region keeps a copy, for a start while the others are out of reach.
 */
export class AgreedDocument {
  readonly #options: AgreementOptions
  readonly #copies: KV
  readonly #key: string
  #shared: KV | undefined
  #closed = false
  #current: Version | undefined
  #state: State
  readonly #states = new Map<string, State>()
  /** Keys of replicas that ended, and have not started again. */
  readonly #left = new Set<string>()
  #changed = Promise.withResolvers<void>()

  private constructor(options: AgreementOptions, copies: KV) {
    this.#options = options
    this.#copies = copies
    this.#key = keyOf(options.replica)
    this.#state = { replica: options.replica, vote: null, applied: 0 }
  }

  /** Resolves when the newest version that can be reached is in force; follows from then on. @throws {NoJetStreamError} */
  static async open(options: AgreementOptions): Promise<AgreedDocument> {
    const { connection, cluster, replica, domain } = options
    const place = { cluster, replica, domain, content: 'limits', ttlMs: 0 }
    const copies = await openRegionBucket(connection, place)
    const agreed = new AgreedDocument(options, copies)
    const copy = versionIn(await copies.get('current').catch(() => null))
    if (copy) agreed.#adopt(copy)
    const followed = agreed.#follow()
    await Promise.race([followed, new Promise((resolve) => setTimeout(resolve, startTimeoutMs))])
    return agreed
  }

  /** The version in force; undefined while there is none. */
  get current(): Version | undefined {
    return this.#current
  }

  /** @throws {NotAgreedError} @throws {NotReachableError} */
  async propose(proposal: Proposal): Promise<Outcome> {
    const own = this.#options.judge(proposal.document)
    if (own.length > 0) throw new NotAgreedError(own)
    const shared = this.#reach()
    const others = this.#options.others().filter((replica) => !this.#left.has(keyOf(replica)))
    const replicas = [this.#options.replica, ...others]
    const base = await reached(shared.get('current'))
    await this.#vote(shared, replicas, proposal.document)
    if (proposal.dryRun) return { version: undefined, applied: [], pending: [] }
    const before = versionIn(base)
    const { document, by, note, at } = proposal
    const version = { version: (before?.version ?? 0) + 1, document, by, note, at }
    await commit(shared, version, base)
    const isApplied = (replica: ReplicaId): boolean =>
      (this.#states.get(keyOf(replica))?.applied ?? 0) >= version.version
    await this.#until(() => replicas.every(isApplied), appliedTimeoutMs)
    return {
      version,
      applied: replicas.filter(isApplied),
      pending: replicas.filter((replica) => !isApplied(replica)),
    }
  }

  /** Oldest first; the newest 64. @throws {NotReachableError} */
  async history(): Promise<Version[]> {
    const versions: Version[] = []
    for await (const entry of await reached(this.#reach().history({ key: 'current' }))) {
      const version = versionIn(entry)
      if (version) versions.push(version)
    }
    return versions
  }

  /** Says that this replica ends, so that nobody waits for its vote. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    // Whoever isn't reached takes it for silent.
    if (!this.#options.connection.isClosed()) void this.#shared?.delete(this.#stateKey).catch(() => {})
  }

  get #stateKey(): string {
    return `${statePrefix}${this.#key}`
  }

  #reach(): KV {
    if (!this.#shared) throw new NotReachableError('what all regions share is out of reach')
    return this.#shared
  }

  /** Resolves when all agree to a document. */
  async #vote(shared: KV, replicas: readonly ReplicaId[], document: unknown): Promise<void> {
    const id = crypto.randomUUID()
    await reached(shared.put('proposal', JSON.stringify({ id, document })))
    const voteOf = (replica: ReplicaId): State['vote'] => {
      const vote = this.#states.get(keyOf(replica))?.vote
      return vote?.proposal === id ? vote : null
    }
    await this.#until(() => replicas.every((replica) => voteOf(replica) !== null), voteTimeoutMs)
    const reasons = replicas.flatMap((replica) => {
      const problems = voteOf(replica)?.problems
      if (!problems) return [`${replica} did not answer`]
      return problems.map((problem) => `${replica}: ${problem}`)
    })
    if (reasons.length > 0) throw new NotAgreedError(reasons)
  }

  /** Resolves when what is shared was read for the first time; goes on for ever. */
  #follow(): Promise<void> {
    const first = Promise.withResolvers<void>()
    const run = async (): Promise<void> => {
      while (!this.#closed && !this.#options.connection.isClosed()) {
        try {
          await this.#watch(first.resolve)
        } catch (error) {
          if (this.#closed || this.#options.connection.isClosed()) return
          this.#options.onProblem(error instanceof Error ? error.message : String(error))
        }
        await new Promise((resolve) => setTimeout(resolve, retryMs))
      }
    }
    void run()
    return first.promise
  }

  async #watch(onRead: () => void): Promise<void> {
    const { connection, cluster, domain } = this.#options
    const kvm = new Kvm(
      jetstream(connection, {
        checkAPI: false,
        timeout: requestTimeoutMs,
        ...(domain !== undefined && { domain }),
      }),
    )
    const shared = await kvm.create(clusterBucketName(cluster, 'config'), { history: historyMax })
    // Before the watch, so that a start has the newest version in force from its first request on.
    const newest = versionIn(await shared.get('current'))
    if (newest && newest.version > (this.#current?.version ?? 0)) this.#adopt(newest)
    this.#shared = shared
    await this.#report({ applied: this.#current?.version ?? 0 })
    onRead()
    for await (const entry of await shared.watch({ key: '>' })) {
      if (this.#closed) return
      await this.#see(entry)
    }
  }

  async #see(entry: KvEntry): Promise<void> {
    if (entry.key.startsWith(statePrefix)) return this.#seeState(entry)
    if (entry.operation !== 'PUT') return
    if (entry.key === 'proposal') {
      const proposal = parsed<{ id: string; document: unknown }>(entry)
      if (!proposal) return
      const problems = this.#options.judge(proposal.document)
      await this.#report({ vote: { proposal: proposal.id, problems } })
    } else if (entry.key === 'current') {
      const version = versionIn(entry)
      if (!version || version.version <= (this.#current?.version ?? 0)) return
      if (!this.#adopt(version)) return
      await this.#report({ applied: version.version })
      await this.#copies.put('current', entry.value).catch(() => {})
    }
  }

  #seeState(entry: KvEntry): void {
    const key = entry.key.slice(statePrefix.length)
    const state = entry.operation === 'PUT' ? parsed<State>(entry) : undefined
    if (state) {
      this.#states.set(key, state)
      this.#left.delete(key)
    } else {
      this.#states.delete(key)
      this.#left.add(key)
    }
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  #adopt(version: Version): boolean {
    const problems = this.#options.judge(version.document)
    if (problems.length > 0) {
      this.#options.onProblem(`version ${version.version} can't be put in force here: ${problems.join('; ')}`)
      return false
    }
    this.#current = version
    this.#options.onVersion(version)
    return true
  }

  async #report(news: Partial<State>): Promise<void> {
    this.#state = { ...this.#state, ...news }
    if (this.#closed) return
    await this.#shared?.put(this.#stateKey, JSON.stringify(this.#state)).catch(() => {})
  }

  async #until(holds: () => boolean, timeoutMs: number): Promise<void> {
    const over = Promise.withResolvers<'over'>()
    const timer = setTimeout(() => over.resolve('over'), timeoutMs)
    while (!holds()) {
      if ((await Promise.race([this.#changed.promise, over.promise])) === 'over') break
    }
    clearTimeout(timer)
  }
}

/** One write: it fails if there was another version meanwhile. */
async function commit(shared: KV, version: Version, base: KvEntry | null): Promise<void> {
  const text = JSON.stringify(version)
  try {
    await (base ? shared.update('current', text, base.revision) : shared.create('current', text))
  } catch (error) {
    const entry = await shared.get('current').catch(() => null)
    // It was written, and the answer was lost.
    if (entry?.string() === text) return
    const now = versionIn(entry)
    if (now && now.version >= version.version)
      throw new NotAgreedError([`version ${now.version} came meanwhile`])
    throw new NotReachableError('whether it was put in force is not known: look at the history', {
      cause: error,
    })
  }
}

async function reached<T>(request: Promise<T>): Promise<T> {
  try {
    return await request
  } catch (error) {
    throw new NotReachableError('what all regions share does not answer', { cause: error })
  }
}

function versionIn(entry: KvEntry | null): Version | undefined {
  if (entry?.operation !== 'PUT') return undefined
  const version = parsed<Version>(entry)
  return typeof version?.version === 'number' ? version : undefined
}

/** Undefined for what is no JSON: it is nothing that a replica has written. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- what it is read as, as `json` has it
function parsed<T>(entry: KvEntry): T | undefined {
  try {
    return entry.json<T>()
  } catch {
    return undefined
  }
}

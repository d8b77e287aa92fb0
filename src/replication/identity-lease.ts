import type { KV } from '@nats-io/kv'
import type { NatsConnection } from '@nats-io/transport-node'
import { keyOf, openRegionBucket } from './region-bucket.ts'
import type { ReplicaId } from './transport.ts'

/** Who holds a replica's name, for those who find it taken. */
export interface Holder {
  readonly host: string
  readonly pid: number
  /** ISO 8601. */
  readonly since: string
}

export interface LeaseOptions {
  readonly cluster: string
  readonly replica: ReplicaId
  /** Of the JetStream, where it is behind a leaf node. */
  readonly domain?: string | undefined
  readonly holder: Holder
  /** How long the name stays taken after its holder is gone without a word; milliseconds. */
  readonly ttlMs: number
  /** Another process has the name now. */
  readonly onLost: () => void
}

export interface IdentityLease {
  /** Gives the name back, so that the next process needs not wait. */
  release(): Promise<void>
}

/** Another process runs under the same name. */
export class IdentityTakenError extends Error {
  override readonly name = 'IdentityTakenError'

  constructor(replica: ReplicaId, { host, pid, since }: Holder) {
    super(
      `replica ${replica} runs already: process ${pid} on ${host}, since ${since}; start this one with another --ordinal, or stop that one`,
    )
  }
}

const renewalsPerTtl = 3
const retryMs = 500

/**
 * Claims a replica's name in a JetStream key-value bucket, and keeps it by renewing. A name whose holder was killed is free
 * when its lease ends: until then this waits, and refuses only a holder that renews.
 *
 * @throws {IdentityTakenError} if another process holds the name. @throws {NoJetStreamError}
 */
export async function claimIdentity(
  connection: NatsConnection,
  options: LeaseOptions,
): Promise<IdentityLease> {
  const { cluster, replica, domain, holder, ttlMs } = options
  const kv = await openRegionBucket(connection, { cluster, replica, domain, content: 'replicas', ttlMs })
  const key = keyOf(replica)
  const value = JSON.stringify(holder)
  const lease = new Lease(kv, { key, value, revision: await claim(kv, { key, value, replica, ttlMs }) })
  const renew = async (): Promise<void> => {
    if (await lease.renew()) return
    clearInterval(timer)
    options.onLost()
  }
  const timer = setInterval(() => void renew(), ttlMs / renewalsPerTtl)
  return {
    release: () => {
      clearInterval(timer)
      return lease.release()
    },
  }
}

interface Claim {
  readonly key: string
  readonly value: string
  readonly replica: ReplicaId
  readonly ttlMs: number
}

/** Creates the entry; while there is one, waits whether it is renewed (then it is taken) or ends. Answers its revision. */
async function claim(kv: KV, { key, value, replica, ttlMs }: Claim): Promise<number> {
  let seen: number | undefined
  for (let waitedMs = 0; ; waitedMs += retryMs) {
    try {
      return await kv.create(key, value)
    } catch (error) {
      const entry = await kv.get(key)
      if (!entry || entry.operation !== 'PUT') {
        if (waitedMs > ttlMs) throw error
      } else {
        const isRenewed = seen !== undefined && entry.revision !== seen
        if (isRenewed || waitedMs > ttlMs * 2) throw new IdentityTakenError(replica, entry.json<Holder>())
        seen = entry.revision
      }
    }
    await new Promise((resolve) => setTimeout(resolve, retryMs))
  }
}

class Lease {
  readonly #kv: KV
  readonly #key: string
  readonly #value: string
  #revision: number

  constructor(kv: KV, { key, value, revision }: { key: string; value: string; revision: number }) {
    this.#kv = kv
    this.#key = key
    this.#value = value
    this.#revision = revision
  }

  /** Answers whether the name is still this process's; a server that doesn't answer says nothing about that. */
  async renew(): Promise<boolean> {
    try {
      this.#revision = await this.#kv.update(this.#key, this.#value, this.#revision)
      return true
    } catch {
      const entry = await this.#kv.get(this.#key).catch(() => undefined)
      if (entry === undefined) return true
      if (entry?.operation === 'PUT') return entry.revision === this.#revision || this.#isOurs(entry)
      // It ended while the servers were away, and nobody else took it.
      this.#revision = await this.#kv.create(this.#key, this.#value).catch(() => this.#revision)
      return true
    }
  }

  /** A renewal arrived, but its answer didn't. */
  #isOurs(entry: { revision: number; string(): string }): boolean {
    if (entry.string() !== this.#value) return false
    this.#revision = entry.revision
    return true
  }

  async release(): Promise<void> {
    await this.#kv.delete(this.#key, { previousSeq: this.#revision }).catch(() => {})
  }
}

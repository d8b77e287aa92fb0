import { createHash, timingSafeEqual } from 'node:crypto'
import type { Identity, Scope } from './authenticator.ts'

/** An API key as the configuration holds it: never the key, only its hash. */
export interface ApiKey {
  readonly id: string
  readonly subject: string
  /** SHA-256 of the key, hexadecimal. */
  readonly sha256: string
  readonly scopes: readonly Scope[]
  /** From when to when it is valid, in milliseconds since 1970; null for always. */
  readonly notBeforeMs: number | null
  readonly expiresMs: number | null
}

/**
 * The API keys in force. Which key was compared, and how far, doesn't show in the time it takes: only hashes are compared. A key is
 * random, so that a plain hash of it can't be turned back, and takes no time that a caller could make us spend.
 */
export class ApiKeys {
  readonly #wallMs: () => number
  #byHash: ReadonlyMap<string, ApiKey> = new Map()

  constructor(keys: readonly ApiKey[], wallMs: () => number = Date.now) {
    this.#wallMs = wallMs
    this.replace(keys)
  }

  /** Puts other keys in force, all at once. */
  replace(keys: readonly ApiKey[]): void {
    this.#byHash = new Map(keys.map((key) => [key.sha256.toLowerCase(), key]))
  }

  /** Whose key it is; undefined if it is none, or not valid now. */
  check(credential: string): Identity | undefined {
    const digest = createHash('sha256').update(credential).digest()
    const key = this.#byHash.get(digest.toString('hex'))
    if (!key || !timingSafeEqual(digest, Buffer.from(key.sha256, 'hex'))) return undefined
    const nowMs = this.#wallMs()
    if (nowMs < (key.notBeforeMs ?? -Infinity) || nowMs >= (key.expiresMs ?? Infinity)) return undefined
    return { subject: key.subject, scopes: key.scopes, credential: key.id }
  }
}

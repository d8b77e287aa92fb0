import { createHash, timingSafeEqual } from 'node:crypto'
import type { CredentialCheck, Scope } from './authenticator.ts'

/** An API key as the configuration holds it: never the key, only its hash. */
export interface ApiKey {
  readonly id: string
  readonly subject: string
  /** SHA-256 of the key, hexadecimal. */
  readonly sha256: string
  readonly scopes: readonly Scope[]
}

/** Checks API keys. Which key was compared, and how far, doesn't show in the time it takes: only hashes are compared. */
export function checkApiKeys(keys: readonly ApiKey[]): CredentialCheck {
  const byHash = new Map(keys.map((key) => [key.sha256.toLowerCase(), key]))
  return (credential) => {
    const digest = createHash('sha256').update(credential).digest()
    const key = byHash.get(digest.toString('hex'))
    if (!key || !timingSafeEqual(digest, Buffer.from(key.sha256, 'hex'))) return undefined
    return { subject: key.subject, scopes: key.scopes }
  }
}

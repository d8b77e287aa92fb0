import { readFile } from 'node:fs/promises'
import type { EdgeConfig } from '../config/edge-config.ts'
import { checkApiKeys } from '../http/auth/api-keys.ts'
import {
  requireCredentials,
  trustEverybody,
  type Authenticator,
  type CredentialCheck,
} from '../http/auth/authenticator.ts'
import { checkJwt } from '../http/auth/jwt.ts'

/** How callers are known, as configured. @throws when the public key's file can't be read. */
export async function authenticatorFor({ mode, apiKeys, jwt }: EdgeConfig['auth']): Promise<Authenticator> {
  if (mode === 'off') return trustEverybody
  const checks: CredentialCheck[] = [checkApiKeys(apiKeys)]
  if (jwt) {
    const { issuer, audience, jwksUrl, publicKeyFile, subjectClaim, scopeClaim } = jwt
    const keys =
      jwksUrl === null ? { publicKeyPem: await readFile(publicKeyFile ?? '', 'utf8') } : { jwksUrl }
    checks.push(await checkJwt({ issuer, audience, keys, subjectClaim, scopeClaim }))
  }
  return requireCredentials(checks)
}

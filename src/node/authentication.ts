import { readFile } from 'node:fs/promises'
import type { EdgeConfig } from '../config/edge-config.ts'
import { ApiKeys } from '../http/auth/api-keys.ts'
import {
  requireCredentials,
  trustEverybody,
  type Authenticator,
  type CredentialCheck,
} from '../http/auth/authenticator.ts'
import { checkJwt } from '../http/auth/jwt.ts'

export interface Authentication {
  readonly authenticate: Authenticator
  /** Puts the API keys of another configuration in force. */
  replaceKeys(auth: EdgeConfig['auth']): void
}

/** How callers are known, as configured. @throws when the public key's file can't be read. */
export async function authenticationFor({ mode, apiKeys, jwt }: EdgeConfig['auth']): Promise<Authentication> {
  const keys = new ApiKeys(apiKeys)
  const replaceKeys = (auth: EdgeConfig['auth']): void => keys.replace(auth.apiKeys)
  if (mode === 'off') return { authenticate: trustEverybody, replaceKeys }
  const checks: CredentialCheck[] = [(credential) => keys.check(credential)]
  if (jwt) {
    const { issuer, audience, jwksUrl, publicKeyFile, subjectClaim, scopeClaim } = jwt
    const signers =
      jwksUrl === null ? { publicKeyPem: await readFile(publicKeyFile ?? '', 'utf8') } : { jwksUrl }
    checks.push(await checkJwt({ issuer, audience, keys: signers, subjectClaim, scopeClaim }))
  }
  return { authenticate: requireCredentials(checks), replaceKeys }
}

import { readFileSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { EdgeConfig, JwtConfig } from '../config/edge-config.ts'
import { ApiKeys } from '../http/auth/api-keys.ts'
import {
  requireCredentials,
  trustEverybody,
  type Authenticator,
  type CredentialCheck,
} from '../http/auth/authenticator.ts'
import { checkJwt, type JwtOptions } from '../http/auth/jwt.ts'

/** The public key that the configuration names for tokens is of no use. */
export class PublicKeyError extends Error {
  override readonly name = 'PublicKeyError'
}

export interface Authentication {
  readonly authenticate: Authenticator
  /** Reads what other settings name, and answers how to put them in force, which can't fail. @throws {PublicKeyError} */
  prepare(auth: EdgeConfig['auth']): () => void
}

/** How callers are known, as configured. @throws {PublicKeyError} */
export function authenticationFor({ mode, apiKeys, jwt }: EdgeConfig['auth']): Authentication {
  if (mode === 'off') return { authenticate: trustEverybody, prepare: () => () => {} }
  const keys = new ApiKeys(apiKeys)
  let tokens = { jwt, check: tokenCheck(jwt) }
  return {
    authenticate: requireCredentials([
      (credential) => keys.check(credential),
      (credential) => tokens.check(credential),
    ]),
    prepare: (next) => {
      // What was fetched from the issuer stays as long as nothing changes.
      const isSame = isDeepStrictEqual(next.jwt, tokens.jwt)
      const nextTokens = isSame ? tokens : { jwt: next.jwt, check: tokenCheck(next.jwt) }
      return () => {
        tokens = nextTokens
        keys.replace(next.apiKeys)
      }
    },
  }
}

function tokenCheck(jwt: JwtConfig | null): CredentialCheck {
  if (!jwt) return () => undefined
  const { issuer, audience, subjectClaim, scopeClaim } = jwt
  const check = (keys: JwtOptions['keys']): CredentialCheck =>
    checkJwt({ issuer, audience, keys, subjectClaim, scopeClaim })
  if (jwt.jwksUrl !== null) return check({ jwksUrl: jwt.jwksUrl })
  const file = jwt.publicKeyFile ?? ''
  try {
    // At once, as the rest of a reload is: it is a small file.
    return check({ publicKeyPem: readFileSync(file, 'utf8') })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new PublicKeyError(`auth.jwt.public_key_file: ${file} is no PEM file of a public key (${reason})`)
  }
}

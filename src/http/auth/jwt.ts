import { createPublicKey } from 'node:crypto'
import { createRemoteJWKSet, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose'
import type { CredentialCheck, Scope } from './authenticator.ts'

export interface JwtOptions {
  readonly issuer: string
  readonly audience: string
  /** Where the issuer's keys are, or one key of his, PEM. */
  readonly keys: { readonly jwksUrl: string } | { readonly publicKeyPem: string }
  readonly subjectClaim: string
  readonly scopeClaim: string
}

/** Asymmetric only: whoever verifies must not be able to sign. */
const algorithms = ['EdDSA', 'ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const jwksTimeoutMs = 3000
const jwksMaxAgeMs = 10 * 60_000
const clockToleranceSec = 5

/** Checks JSON Web Tokens (RFC 7519) of one issuer. @throws when the key is no public key */
export function checkJwt(options: JwtOptions): CredentialCheck {
  const { issuer, audience, subjectClaim, scopeClaim } = options
  const key = keyOf(options.keys)
  return async (credential) => {
    if (credential.split('.').length !== 3) return undefined
    const payload = await verify(credential, key, { issuer, audience })
    const subject = payload?.[subjectClaim]
    if (!payload || typeof subject !== 'string' || subject === '' || subject.length > 256) return undefined
    return { subject, scopes: scopesOf(payload[scopeClaim]), credential: 'jwt' }
  }
}

function keyOf(keys: JwtOptions['keys']): JWTVerifyGetKey {
  if ('jwksUrl' in keys) {
    return createRemoteJWKSet(new URL(keys.jwksUrl), {
      timeoutDuration: jwksTimeoutMs,
      cacheMaxAge: jwksMaxAgeMs,
    })
  }
  // Of a private key Node would make a public one, and whoever verifies would hold what signs.
  if (!keys.publicKeyPem.includes('-----BEGIN PUBLIC KEY-----')) throw new Error('it holds no public key')
  const key = createPublicKey(keys.publicKeyPem)
  return () => key
}

async function verify(
  token: string,
  key: JWTVerifyGetKey,
  expected: { issuer: string; audience: string },
): Promise<JWTPayload | undefined> {
  try {
    const { payload } = await jwtVerify(token, key, {
      ...expected,
      algorithms,
      clockTolerance: clockToleranceSec,
      requiredClaims: ['exp'],
    })
    return payload
  } catch {
    // Why it isn't valid is nobody's business but the issuer's.
    return undefined
  }
}

/** A list, or a string with spaces as in RFC 8693; what is unknown is left out. */
function scopesOf(claim: unknown): Scope[] {
  const named: unknown[] = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : []
  return (['rate', 'read', 'admin'] as const).filter((scope) => named.includes(scope))
}

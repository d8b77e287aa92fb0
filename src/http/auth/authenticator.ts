import type { Context } from 'hono'
import { headerOf } from '../header.ts'
import { ProblemError } from '../problems.ts'

export type Scope = 'rate' | 'read' | 'admin'

/** Who calls, and what he may do. */
export interface Identity {
  /** The user that the caller is; undefined where nobody has to be. */
  readonly subject: string | undefined
  readonly scopes: readonly Scope[]
  /** Names what he showed: the id of an API key, or `jwt`; for the audit log. */
  readonly credential?: string
}

/** Finds out who calls. @throws {ProblemError} `unauthenticated`, or about the identity. */
export type Authenticator = (context: Context) => Identity | Promise<Identity>

const allScopes: readonly Scope[] = ['rate', 'read', 'admin']
const userLengthMax = 256

/** Authentication switched off: callers say themselves who they are, as `?user=`, and may do everything. */
export const trustEverybody: Authenticator = ({ req }) => {
  const subject = req.query('user')
  if (subject !== undefined && (subject === '' || subject.length > userLengthMax || !isNameable(subject))) {
    throw new ProblemError(
      'identity-missing',
      `user: allowed: 1 to ${userLengthMax} characters, no control characters`,
      {
        violations: [
          { parameter: 'user', detail: `allowed: 1 to ${userLengthMax} characters, no control characters` },
        ],
      },
    )
  }
  return { subject, scopes: allScopes }
}

/** Tries credentials; undefined when they are of another kind or not valid. */
export type CredentialCheck = (credential: string) => Identity | undefined | Promise<Identity | undefined>

/** Wants `Authorization: Bearer …` or `X-API-Key: …`, and asks each check in turn. */
export function requireCredentials(checks: readonly CredentialCheck[]): Authenticator {
  return async (context) => {
    const credential = credentialOf(context)
    if (credential === undefined) throw unauthenticated('no Authorization: Bearer … or X-API-Key: … header')
    for (const check of checks) {
      const identity = await check(credential)
      if (!identity) continue
      const user = context.req.query('user')
      if (user === undefined || user === identity.subject) return identity
      throw new ProblemError(
        'identity-not-yours',
        'user: with authentication on it is the credentials that say whose request it is',
      )
    }
    throw unauthenticated('the credentials are not valid')
  }
}

/** @throws {ProblemError} `forbidden`. The scope `admin` allows everything. */
export function requireScope(identity: Identity, scope: Scope): void {
  if (identity.scopes.includes(scope) || identity.scopes.includes('admin')) return
  throw new ProblemError('forbidden', `the scope ${scope} is needed`)
}

function credentialOf(context: Context): string | undefined {
  const header = headerOf(context, 'authorization')
  if (header === undefined) return headerOf(context, 'x-api-key')
  return /^Bearer +(\S+)$/i.exec(header)?.[1]
}

function unauthenticated(detail: string): ProblemError {
  return new ProblemError('unauthenticated', detail, {
    headers: { 'www-authenticate': 'Bearer realm="openclaw"' },
  })
}

function isNameable(text: string): boolean {
  return text.isWellFormed() && !/\p{Cc}/u.test(text)
}

import type { Context } from 'hono'
import { headerOf } from './header.ts'
import { ProblemError } from './problems.ts'

export const idempotencyKeyHeader = 'idempotency-key'
const lengthMax = 255
/** A string of structured field values (RFC 9651, 3.3.3). */
const quoted = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"$/
/** What many clients send instead. */
const bare = /^[A-Za-z0-9._~:+/=-]+$/

/**
 * The key by which a caller repeats a request (draft-ietf-httpapi-idempotency-key-header); undefined without one.
 * @throws {ProblemError} `idempotency-key-malformed`
 */
export function idempotencyKeyOf(context: Context): string | undefined {
  const header = headerOf(context, idempotencyKeyHeader)
  if (header === undefined) return undefined
  const key = bare.test(header) ? header : quoted.exec(header)?.[1]?.replaceAll(/\\(["\\])/g, '$1')
  if (key !== undefined && key.length <= lengthMax) return key
  throw new ProblemError(
    'idempotency-key-malformed',
    `Idempotency-Key: allowed: 1 to ${lengthMax} visible ASCII characters in double quotes, such as "8e03978e-40d5-43dd-bc93-6894a57f9324"`,
  )
}

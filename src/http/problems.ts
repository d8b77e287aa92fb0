/**
 * Every error that a caller can get. `type` of its problem document (RFC 9457) is `/docs#problem-CODE`, which describes it.
 * `retry`: whether the same request may succeed later.
 */
export const problems = {
  'malformed-json': { status: 400, title: 'The body is not JSON', retry: 'no' },
  'malformed-path': { status: 400, title: 'The path is not well percent-encoded', retry: 'no' },
  'identity-missing': { status: 400, title: 'The request does not say whose it is', retry: 'no' },
  'identity-not-yours': { status: 400, title: 'The request names another user', retry: 'no' },
  'idempotency-key-malformed': { status: 400, title: 'The Idempotency-Key is not well-formed', retry: 'no' },
  unauthenticated: { status: 401, title: 'Credentials are missing or not valid', retry: 'no' },
  'key-denied': { status: 403, title: 'The limit denies this key', retry: 'no' },
  forbidden: { status: 403, title: 'The credentials do not allow this', retry: 'no' },
  'not-found': { status: 404, title: 'There is nothing here', retry: 'no' },
  'unknown-limit': { status: 404, title: 'No limit has this name', retry: 'no' },
  'method-not-allowed': { status: 405, title: 'The method is not allowed here', retry: 'no' },
  'limits-not-shared': { status: 409, title: 'This node takes its limits from its file', retry: 'no' },
  'not-agreed': { status: 409, title: 'Not all replicas agreed, and nothing was changed', retry: 'yes' },
  'body-too-large': { status: 413, title: 'The body is too large', retry: 'no' },
  'not-json': { status: 415, title: 'The body has to be application/json', retry: 'no' },
  invalid: { status: 422, title: 'The request is not valid', retry: 'no' },
  'idempotency-key-reused': {
    status: 422,
    title: 'The Idempotency-Key came with another request',
    retry: 'no',
  },
  'rate-limited': { status: 429, title: 'The rate limit is exhausted', retry: 'after Retry-After' },
  internal: { status: 500, title: 'Something went wrong here', retry: 'yes' },
  'limits-unreachable': {
    status: 503,
    title: 'What all regions share is out of reach',
    retry: 'after Retry-After',
  },
  'store-unavailable': { status: 503, title: 'The store is unavailable', retry: 'after Retry-After' },
} as const

export type ProblemCode = keyof typeof problems

/** One thing that is wrong with a request. */
export interface Violation {
  /** Where: a JSON pointer into the body (RFC 6901), or the name of a parameter. */
  readonly pointer?: string
  readonly parameter?: string
  readonly detail: string
}

/** A request that can't be served, and why; thrown by whoever finds out, answered as a problem document. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly code: ProblemCode
  readonly violations: readonly Violation[]
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: ProblemCode,
    detail: string,
    more: { violations?: readonly Violation[]; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(detail)
    this.code = code
    this.violations = more.violations ?? []
    this.headers = more.headers ?? {}
  }

  get status(): (typeof problems)[ProblemCode]['status'] {
    return problems[this.code].status
  }

  /** The problem document; `instance` is the request's id. */
  document(requestId: string): Record<string, unknown> {
    const { status, title } = problems[this.code]
    return {
      type: `/docs#problem-${this.code}`,
      title,
      status,
      detail: this.message,
      instance: `urn:request:${requestId}`,
      ...(this.violations.length > 0 && { errors: this.violations }),
    }
  }
}

/** Seconds for a Retry-After header (RFC 9110, 10.2.3): whole, rounded up, at least 1. */
export function retryAfter(ms: number): { 'retry-after': string } {
  return { 'retry-after': String(Math.max(1, Math.ceil(ms / 1000))) }
}

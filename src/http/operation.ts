import type { Context } from 'hono'
import type { z } from 'zod'
import type { LimiterApi } from '../limiter/types.ts'
import type { RatingsApi } from '../ratings/types.ts'
import type { Identity, Scope } from './auth/authenticator.ts'
import type { LimitsVersions } from './limits-versions.ts'
import type { ProblemCode } from './problems.ts'

/** What the operations work on. */
export interface Services {
  readonly limiter: LimiterApi
  readonly ratings: RatingsApi
  /** The limit that guards ratings now, and the tokens a rating takes; ratings are not limited without one. */
  readonly ratingsLimit: () => { readonly name: string; readonly cost: number } | undefined
  /** Undefined for a node whose limits are those of its file, and nobody else's. */
  readonly limitsVersions?: LimitsVersions | undefined
  /** Whether the node can serve, and why not. */
  readonly ready: () => { readonly ready: boolean; readonly checks: Readonly<Record<string, string>> }
  /** The metrics in Prometheus' format. */
  readonly metrics: () => Promise<{ readonly contentType: string; readonly body: string }>
}

/** A request, validated. */
export interface Call<Params, Query, Body> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
  readonly identity: Identity
}

/** An answer: JSON, unless it is text already. */
export interface Answer {
  readonly status: 200 | 201 | 202 | 204 | 304 | 503
  readonly headers?: Readonly<Record<string, string>>
  readonly json?: unknown
  readonly text?: string
  /** What the audit log says of it, of an operation that is audited. */
  readonly audited?: Readonly<Record<string, unknown>>
}

/**
 * One call of the API, declared once: it is served, validated and documented from this. `path` is in OpenAPI's form, and the
 * label of its metrics.
 */
export interface Operation<
  Params extends z.ZodObject = z.ZodObject,
  Query extends z.ZodObject = z.ZodObject,
  Body extends z.ZodType = z.ZodType,
> {
  readonly method: 'get' | 'post' | 'put' | 'delete'
  readonly path: string
  readonly summary: string
  readonly tag: 'Ratings' | 'Limits' | 'Configuration' | 'Service'
  /** What the caller's credentials must allow; open to all without. */
  readonly scope?: Scope
  /** Its name in the audit log, where each attempt is noted. */
  readonly audit?: string
  /** Takes `?user=` while authentication is off. */
  readonly asUser?: boolean
  readonly params?: Params
  readonly query?: Query
  readonly body?: Body
  /** Honours Idempotency-Key. */
  readonly idempotent?: boolean
  /** Answers 202 where what was asked for is safe, and will be done. */
  readonly accepted?: { readonly description: string; readonly schema: z.ZodType }
  readonly success: {
    readonly status: 200 | 201 | 204
    readonly description: string
    readonly schema?: z.ZodType
    readonly contentType?: string
    readonly rateLimited?: boolean
    /** Read through the cache; callers may ask whether what they have is still right. */
    readonly cached?: boolean
  }
  /** Problems of its own, beside those of its parameters, body and scope. */
  readonly problems?: readonly ProblemCode[]
  readonly handle: (
    services: Services,
    call: Call<z.output<Params>, z.output<Query>, z.output<Body>>,
    context: Context,
  ) => Answer | Promise<Answer>
}

/** Declares an operation, with the types of its handler inferred from its schemas. */
export function operation<Params extends z.ZodObject, Query extends z.ZodObject, Body extends z.ZodType>(
  declared: Operation<Params, Query, Body>,
): Operation {
  return declared
}

import type { Context } from 'hono'
import type { z } from 'zod'
import { StoreUnavailableError } from '../../ratings/errors.ts'
import type { Rated, Rating } from '../../ratings/types.ts'
import { requireScope, type Identity } from '../auth/authenticator.ts'
import { readHeaders, wantsLatest } from '../cached-reads.ts'
import { idempotencyKeyOf } from '../idempotency-key.ts'
import { operation, type Answer, type Services } from '../operation.ts'
import { ProblemError, retryAfter } from '../problems.ts'
import { rateLimitHeaders } from '../rate-limit-headers.ts'
import * as schemas from '../schemas.ts'

interface RateAnswer {
  readonly rated: Rated
  readonly headers: Readonly<Record<string, string>>
}

/** Takes the caller's tokens, then stores his rating; tokens for a rating that could not be stored are given back. */
async function rate(
  { limiter, ratings, ratingsLimit }: Services,
  { identity, body }: { identity: Identity; body: z.output<typeof schemas.ratingBody> },
  context: Context,
): Promise<RateAnswer> {
  const user = requireSubject(identity)
  const idempotencyKey = idempotencyKeyOf(context)
  const write = {
    subject: body.subject,
    user,
    score: body.score,
    comment: body.comment ?? null,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  }
  const limit = ratingsLimit()
  if (!limit) return { rated: await ratings.rate(write), headers: {} }
  const decision = limiter.take(limit.name, user, limit.cost)
  const headers = rateLimitHeaders(decision)
  if (!decision.allowed) {
    throw new ProblemError('rate-limited', `the limit "${limit.name}" is exhausted for this user`, {
      headers: { ...headers, ...retryAfter(decision.retryAfterMs) },
    })
  }
  try {
    return { rated: await ratings.rate(write), headers }
  } catch (error) {
    if (error instanceof StoreUnavailableError && !decision.wouldRefuse)
      limiter.give(limit.name, user, limit.cost)
    throw error
  }
}

function requireSubject(identity: Identity): string {
  if (identity.subject !== undefined) return identity.subject
  throw new ProblemError(
    'identity-missing',
    'user: missing; while authentication is off it says whose rating it is',
    {
      violations: [{ parameter: 'user', detail: 'missing; allowed: 1 to 256 characters' }],
    },
  )
}

function ratingJson(rating: Rating): Record<string, unknown> {
  return {
    subject: rating.subject,
    user: rating.user,
    score: rating.score,
    comment: rating.comment,
    createdAt: rating.createdAt.toISOString(),
    updatedAt: rating.updatedAt.toISOString(),
  }
}

const accepted = {
  description: 'The store is away. The rating is safe in the region, and stored when the store is back.',
  schema: schemas.queued,
}

export const ratingOperations = [
  operation({
    method: 'post',
    path: '/v1/ratings',
    summary: 'Rate a subject; sending again replaces the rating.',
    tag: 'Ratings',
    scope: 'rate',
    asUser: true,
    body: schemas.ratingBody,
    success: {
      status: 201,
      description: 'The rating, committed.',
      schema: schemas.rating,
      rateLimited: true,
    },
    problems: ['rate-limited', 'key-denied', 'store-unavailable'],
    idempotent: true,
    accepted,
    handle: async (services, call, context): Promise<Answer> => {
      const { rated, headers } = await rate(services, call, context)
      if (rated.status === 'queued') return { status: 202, headers, json: rated }
      return { status: 201, headers, json: ratingJson(rated.rating) }
    },
  }),
  operation({
    method: 'post',
    path: '/rating',
    summary: "Rate a subject, as the guide's handler does.",
    tag: 'Ratings',
    scope: 'rate',
    asUser: true,
    body: schemas.ratingBody,
    success: { status: 200, description: 'The rating is committed.', schema: schemas.ok, rateLimited: true },
    problems: ['rate-limited', 'key-denied', 'store-unavailable'],
    idempotent: true,
    accepted,
    handle: async (services, call, context): Promise<Answer> => {
      const { rated, headers } = await rate(services, call, context)
      if (rated.status === 'queued') return { status: 202, headers, json: rated }
      return { status: 200, headers, json: { status: 'ok' } }
    },
  }),
  operation({
    method: 'get',
    path: '/v1/subjects/{subject}',
    summary: 'Read the summary of a subject; zeros where nobody has rated.',
    tag: 'Ratings',
    scope: 'read',
    params: schemas.subjectParams,
    success: { status: 200, description: 'The summary.', schema: schemas.summary, cached: true },
    problems: ['store-unavailable'],
    handle: async ({ ratings }, { params }, context): Promise<Answer> => {
      const latest = wantsLatest(context)
      const { value, ...read } = await ratings.summary(params.subject, { latest })
      return { status: 200, headers: readHeaders(read, latest), json: value }
    },
  }),
  operation({
    method: 'get',
    path: '/v1/subjects/{subject}/ratings',
    summary: 'List the ratings of a subject, the newest change first.',
    tag: 'Ratings',
    scope: 'read',
    params: schemas.subjectParams,
    query: schemas.pageQuery,
    success: { status: 200, description: 'A page.', schema: schemas.ratingPage, cached: true },
    problems: ['store-unavailable'],
    handle: async ({ ratings }, { params, query: { cursor, limit } }, context): Promise<Answer> => {
      const latest = wantsLatest(context)
      const page = { limit, ...(cursor !== undefined && { cursor }) }
      const { value, ...read } = await ratings.list(params.subject, page, { latest })
      const json = { items: value.items.map(ratingJson), nextCursor: value.nextCursor }
      return { status: 200, headers: readHeaders(read, latest), json }
    },
  }),
  operation({
    method: 'get',
    path: '/v1/subjects/{subject}/ratings/{user}',
    summary: 'Read one rating.',
    tag: 'Ratings',
    scope: 'read',
    params: schemas.ratingParams,
    success: { status: 200, description: 'The rating.', schema: schemas.rating, cached: true },
    problems: ['not-found', 'store-unavailable'],
    handle: async ({ ratings }, { params }, context): Promise<Answer> => {
      const latest = wantsLatest(context)
      const { value, ...read } = await ratings.find(params.subject, params.user, { latest })
      const headers = readHeaders(read, latest)
      if (!value) throw new ProblemError('not-found', 'this user has not rated this subject', { headers })
      return { status: 200, headers, json: ratingJson(value) }
    },
  }),
  operation({
    method: 'delete',
    path: '/v1/subjects/{subject}/ratings/{user}',
    summary: 'Delete a rating: your own, or with the scope admin any.',
    tag: 'Ratings',
    scope: 'rate',
    asUser: true,
    params: schemas.ratingParams,
    success: { status: 204, description: 'It is gone.' },
    problems: ['not-found', 'store-unavailable'],
    handle: async ({ ratings }, { params, identity }): Promise<Answer> => {
      if (identity.subject !== params.user) requireScope(identity, 'admin')
      if (await ratings.remove(params.subject, params.user)) return { status: 204 }
      throw new ProblemError('not-found', 'this user has not rated this subject')
    },
  }),
]

import type { BucketState } from '../../limiter/types.ts'
import { operation, type Answer } from '../operation.ts'
import { ProblemError, retryAfter } from '../problems.ts'
import { rateLimitHeaders } from '../rate-limit-headers.ts'
import * as schemas from '../schemas.ts'

function stateJson(state: BucketState): Record<string, unknown> {
  const { limit, capacity, refillPerSec, remaining, resetMs } = state
  return { limit, capacity, refillPerSec, remaining, resetMs: Math.ceil(resetMs) }
}

function remainingOf({ remaining }: BucketState): { readonly remaining: number } {
  return { remaining }
}

export const limitOperations = [
  operation({
    method: 'post',
    path: '/v1/limits/{limit}/take',
    summary: 'Take tokens from the bucket of a key.',
    tag: 'Limits',
    scope: 'rate',
    params: schemas.limitParams,
    body: schemas.takeBody,
    success: { status: 200, description: 'They are taken.', schema: schemas.decision, rateLimited: true },
    problems: ['unknown-limit', 'rate-limited', 'key-denied'],
    handle: ({ limiter }, { params, body }): Answer => {
      const decision = limiter.take(params.limit, body.key, body.cost)
      const headers = rateLimitHeaders(decision)
      if (decision.allowed) return { status: 200, headers, json: { allowed: true, ...stateJson(decision) } }
      throw new ProblemError('rate-limited', `the limit "${params.limit}" is exhausted for this key`, {
        headers: { ...headers, ...retryAfter(decision.retryAfterMs) },
      })
    },
  }),
  operation({
    method: 'post',
    path: '/v1/limits/{limit}/give',
    summary: 'Give tokens back, never beyond a full bucket.',
    tag: 'Limits',
    scope: 'rate',
    audit: 'bucket.give',
    params: schemas.limitParams,
    body: schemas.giveBody,
    success: { status: 200, description: 'How many were given back.', schema: schemas.given },
    problems: ['unknown-limit'],
    handle: ({ limiter }, { params, body }): Answer => {
      const { given, state } = limiter.give(params.limit, body.key, body.tokens)
      const audited = { key: body.key, given, after: remainingOf(state) }
      return { status: 200, json: { given, ...stateJson(state) }, audited }
    },
  }),
  operation({
    method: 'get',
    path: '/v1/limits/{limit}/buckets/{key}',
    summary: 'Read a bucket: its state, and which region took how much since it was last full.',
    tag: 'Limits',
    scope: 'read',
    params: schemas.bucketParams,
    success: { status: 200, description: 'The bucket; full for a key not seen.', schema: schemas.bucketView },
    problems: ['unknown-limit'],
    handle: ({ limiter }, { params }): Answer => {
      const { state, takenByRegion } = limiter.peek(params.limit, params.key)
      return { status: 200, json: { ...stateJson(state), takenByRegion } }
    },
  }),
  operation({
    method: 'delete',
    path: '/v1/limits/{limit}/buckets/{key}',
    summary: 'Make a bucket full again, in every region.',
    tag: 'Limits',
    scope: 'admin',
    audit: 'bucket.reset',
    params: schemas.bucketParams,
    success: { status: 200, description: 'It is full.', schema: schemas.bucketState },
    problems: ['unknown-limit'],
    handle: ({ limiter }, { params }): Answer => {
      const before = remainingOf(limiter.peek(params.limit, params.key).state)
      const state = limiter.reset(params.limit, params.key)
      return { status: 200, json: stateJson(state), audited: { before, after: remainingOf(state) } }
    },
  }),
]

import { z } from 'zod'
import { pageLimitDefault } from '../ratings/types.ts'
// For its types: they extend `.meta()`.
import type * as _openapi from 'zod-openapi'

/** A string of 1 to 256 UTF-16 units that any store can hold: no control characters, no lone surrogates. */
function name(description: string, example: string) {
  const allowed = '1 to 256 characters, none of them a control character or half of a surrogate pair'
  return z
    .string({ error: allowed })
    .min(1, { error: allowed })
    .max(256, { error: allowed })
    .refine((text) => isPlain(text, false), { error: allowed })
    .meta({ description, example })
}

function isPlain(text: string, lines: boolean): boolean {
  if (!text.isWellFormed()) return false
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === 0x7f || (unit < 0x20 && !(lines && (unit === 0x0a || unit === 0x0d || unit === 0x09))))
      return false
  }
  return true
}

function wholeNumber(min: number, max: number, description: string) {
  const error = `a whole number from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error }).meta({ description })
}

export const subjectName = name('What is rated.', 'tea')
export const userName = name('Who rates.', 'alice')
const keyName = name('Whom the bucket counts.', 'alice')
const limitName = name('The name of a limit.', 'ratings')

const tokensMax = 1_000_000_000
const commentLengthMax = 2000
const commentAllowed = `up to ${commentLengthMax} characters, no control characters but line breaks and tabs, no half of a surrogate pair`

export const ratingBody = z
  .strictObject({
    subject: subjectName,
    score: wholeNumber(1, 5, 'From 1, worst, to 5, best.'),
    comment: z
      .string({ error: commentAllowed })
      .max(commentLengthMax, { error: commentAllowed })
      .refine((text) => isPlain(text, true), { error: commentAllowed })
      .nullable()
      .optional()
      .meta({ description: `At most ${commentLengthMax} characters.`, example: 'Good, on the whole.' }),
  })
  .meta({ id: 'NewRating' })

export const takeBody = z
  .strictObject({
    key: keyName,
    cost: wholeNumber(1, tokensMax, 'Tokens to take; 1 unless said.').optional(),
  })
  .meta({ id: 'Take' })

export const giveBody = z
  .strictObject({ key: keyName, tokens: wholeNumber(1, tokensMax, 'Tokens to give back.') })
  .meta({ id: 'Give' })

export const subjectParams = z.strictObject({ subject: subjectName })
export const ratingParams = z.strictObject({ subject: subjectName, user: userName })
export const limitParams = z.strictObject({ limit: limitName })
export const bucketParams = z.strictObject({ limit: limitName, key: keyName })

const pageAllowed = 'a whole number from 1 to 100'
export const pageQuery = z.object({
  cursor: z
    .string()
    .max(2048, { error: 'the nextCursor of a page' })
    .optional()
    .meta({ description: 'The `nextCursor` of the page before.' }),
  limit: z.coerce
    .number({ error: pageAllowed })
    .int({ error: pageAllowed })
    .min(1, { error: pageAllowed })
    .max(100, { error: pageAllowed })
    .default(pageLimitDefault)
    .meta({ description: 'Ratings on a page.' }),
})

const time = z.iso.datetime().meta({ example: '2026-03-19T12:00:00.000Z' })

export const rating = z
  .object({
    subject: z.string(),
    user: z.string(),
    score: z.int(),
    comment: z.string().nullable(),
    createdAt: time,
    updatedAt: time,
  })
  .meta({ id: 'Rating' })

export const ratingPage = z
  .object({ items: z.array(rating), nextCursor: z.string().nullable() })
  .meta({ id: 'RatingPage' })

const counts = z.object({ 1: z.int(), 2: z.int(), 3: z.int(), 4: z.int(), 5: z.int() })

export const summary = z
  .object({
    subject: z.string(),
    count: z.int(),
    mean: z.number().nullable(),
    bayesianMean: z.number(),
    histogram: counts,
  })
  .meta({ id: 'Summary' })

const bucketFields = {
  limit: z.string(),
  capacity: z
    .number()
    .meta({ description: 'Tokens of a full bucket now: the shares of the regions in contact.' }),
  refillPerSec: z.number(),
  remaining: z.int().meta({ description: 'Whole tokens left.' }),
  resetMs: z.number().meta({ description: 'Milliseconds until the bucket is full again.' }),
}

export const decision = z.object({ allowed: z.literal(true), ...bucketFields }).meta({ id: 'Decision' })
export const given = z.object({ given: z.int(), ...bucketFields }).meta({ id: 'Given' })
export const bucketState = z.object(bucketFields).meta({ id: 'BucketState' })
export const bucketView = z
  .object({ ...bucketFields, takenByRegion: z.record(z.string(), z.number()) })
  .meta({ id: 'Bucket' })

export const ok = z.object({ status: z.literal('ok') }).meta({ id: 'Ok' })
export const queued = z.object({ status: z.literal('queued') }).meta({ id: 'Queued' })
export const readiness = z
  .object({ status: z.enum(['ready', 'not ready']), checks: z.record(z.string(), z.string()) })
  .meta({ id: 'Readiness' })

const anything = z.record(z.string(), z.unknown(), { error: 'a map, as in the configuration file' })
export const limitsDocument = z
  .strictObject({ token_buckets: anything.optional(), limits: anything.optional() })
  .meta({ id: 'LimitsDocument', description: 'These fields of the configuration file.' })
export const applyQuery = z.object({
  dryRun: z
    .enum(['true', 'false'], { error: 'true or false' })
    .optional()
    .meta({ description: 'Only asks all replicas whether they would agree.' }),
})
export const rollbackBody = z
  .strictObject({ to: wholeNumber(1, tokensMax, 'The version; the one before unless said.').optional() })
  .meta({ id: 'Rollback' })

const versionFields = {
  version: z.int().meta({ description: '0 while the limits are those of the file.' }),
  digest: z.string().nullable(),
  by: z.string().nullable(),
  at: z.string().nullable(),
  note: z.string(),
}
const limitsSummary = z.object(versionFields).meta({ id: 'LimitsSummary' })
export const limitsVersion = z
  .object({ ...versionFields, document: z.record(z.string(), z.unknown()).nullable() })
  .meta({ id: 'LimitsVersion' })
export const limitsHistory = z.object({ items: z.array(limitsSummary) }).meta({ id: 'LimitsHistory' })
const replicaNames = z.array(z.string())
export const limitsOutcome = z
  .object({
    before: limitsSummary,
    after: limitsSummary.nullable(),
    applied: replicaNames.meta({ description: 'Replicas in which it is in force.' }),
    pending: replicaNames.meta({ description: 'Replicas that agreed and have not said yet that it is.' }),
  })
  .meta({ id: 'LimitsOutcome' })

export const problemDocument = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    errors: z
      .array(
        z.object({ pointer: z.string().optional(), parameter: z.string().optional(), detail: z.string() }),
      )
      .optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem document.' })

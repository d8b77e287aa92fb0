import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiResponseObject } from 'zod-openapi'
import type { Operation } from './operation.ts'
import { problems, type ProblemCode } from './problems.ts'
import { problemDocument, userName } from './schemas.ts'
import { z } from 'zod'

export type OpenApiDocument = ReturnType<typeof createDocument>

const rateLimitHeaders = z.object({
  'RateLimit-Policy': z
    .string()
    .meta({ description: 'Quota and window (draft-ietf-httpapi-ratelimit-headers-10).' }),
  RateLimit: z.string().meta({ description: 'What is left, and seconds until the bucket is full.' }),
})

const idempotencyKey = z.object({
  'Idempotency-Key': z.string().optional().meta({
    description:
      "The caller's own name for this request: repeated with it, the request changes nothing more and gets the same answer (draft-ietf-httpapi-idempotency-key-header-07).",
    example: '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
  }),
})

const cacheHeaders = z.object({
  'Cache-Status': z.string().meta({
    description:
      'How the cache answered (RFC 9211): `hit`; `hit; detail=revalidating`, while the store is read anew; `fwd=stale; detail=store-unavailable`, the last that is known while the store does not answer; else `fwd=miss`, `fwd=request` or `fwd=bypass`.',
  }),
  Age: z.int().optional().meta({ description: 'Seconds since it was read from the store (RFC 9111).' }),
  ETag: z.string().meta({ description: 'For If-None-Match.' }),
})

const cacheControl = z.object({
  'Cache-Control': z.string().optional().meta({ description: '`no-cache` reads what the store holds now.' }),
  'If-None-Match': z
    .string()
    .optional()
    .meta({ description: 'The `ETag` of an answer that the caller has.' }),
})

/** The OpenAPI 3.1 document of the operations. */
export function openApiDocument(operations: readonly Operation[], authenticated: boolean): OpenApiDocument {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {}
  for (const operation of operations) {
    paths[operation.path] = {
      ...paths[operation.path],
      [operation.method]: describe(operation, authenticated),
    }
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'OpenClaw Rating API Edge',
      version: '1',
      description: 'Ratings, and rate limits that hold across regions.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key, or a JWT.' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  })
}

/** All problems that an operation may answer. */
export function problemsOf(operation: Operation, authenticated: boolean): ProblemCode[] {
  const codes: ProblemCode[] = [...(operation.problems ?? [])]
  if (operation.body) codes.push('malformed-json', 'body-too-large', 'not-json')
  if (operation.body || operation.params || operation.query) codes.push('invalid')
  if (operation.params) codes.push('malformed-path')
  if (operation.asUser) codes.push(authenticated ? 'identity-not-yours' : 'identity-missing')
  if (operation.idempotent) codes.push('idempotency-key-malformed', 'idempotency-key-reused')
  if (operation.scope && authenticated) codes.push('unauthenticated', 'forbidden')
  codes.push('internal')
  return codes
}

function describe(operation: Operation, authenticated: boolean): ZodOpenApiOperationObject {
  const { success, accepted } = operation
  const schema = success.schema ?? (success.contentType === undefined ? undefined : z.string())
  const responses: Record<string, ZodOpenApiResponseObject> = {
    [success.status]: {
      description: success.description,
      ...(success.rateLimited && { headers: rateLimitHeaders }),
      ...(success.cached && { headers: cacheHeaders }),
      ...(schema && { content: { [success.contentType ?? 'application/json']: { schema } } }),
    },
  }
  if (accepted) {
    const content = { 'application/json': { schema: accepted.schema } }
    responses['202'] = { description: accepted.description, content }
  }
  if (success.cached)
    responses['304'] = { description: 'What the caller has is still right.', headers: cacheHeaders }
  const byStatus = Map.groupBy(problemsOf(operation, authenticated), (code) => problems[code].status)
  for (const [status, codes] of byStatus) {
    const description = codes.map((code) => `\`${code}\`: ${problems[code].title}.`).join(' ')
    responses[status] = { description, content: { 'application/problem+json': { schema: problemDocument } } }
  }
  const query = operation.asUser && !authenticated ? z.object({ user: userName }) : operation.query
  return {
    operationId: operationId(operation),
    summary: operation.summary,
    tags: [operation.tag],
    ...(operation.scope && authenticated && { security: [{ bearer: [] }, { apiKey: [] }] }),
    ...((operation.params || query || operation.idempotent) && {
      requestParams: {
        ...(operation.params && { path: operation.params }),
        ...(query && { query }),
        ...(operation.idempotent && { header: idempotencyKey }),
        ...(success.cached && { header: cacheControl }),
      },
    }),
    ...(operation.body && {
      requestBody: { required: true, content: { 'application/json': { schema: operation.body } } },
    }),
    responses,
  }
}

function operationId({ method, path }: Operation): string {
  const words = path.split(/[^a-z0-9]+/i).filter(Boolean)
  return [method, ...words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join('')
}

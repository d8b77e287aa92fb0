import { Hono, type Context } from 'hono'
import { CostError, KeyDeniedError, UnknownLimitError } from '../limiter/errors.ts'
import type { Decision } from '../limiter/types.ts'
import { CursorError, IdempotencyKeyReusedError, StoreUnavailableError } from '../ratings/errors.ts'
import type { AuditEntry } from './audit.ts'
import { requireScope, type Authenticator, type Identity } from './auth/authenticator.ts'
import { conditional } from './cached-reads.ts'
import { addressBlock } from './client-address.ts'
import { docsPage } from './docs-page.ts'
import { headerOf } from './header.ts'
import { openApiDocument } from './openapi.ts'
import type { Answer, Operation, Services } from './operation.ts'
import { configurationOperations } from './operations/configuration.ts'
import { limitOperations } from './operations/limits.ts'
import { ratingOperations } from './operations/ratings.ts'
import { serviceOperations } from './operations/service.ts'
import { ProblemError, retryAfter } from './problems.ts'
import { rateLimitHeaders } from './rate-limit-headers.ts'
import { readJson } from './read-json.ts'
import { pageHeaders, securityHeaders } from './security-headers.ts'
import { validateBody, validateParameters } from './validate.ts'

export interface AppOptions extends Services {
  readonly authenticate: Authenticator
  /** Whether callers have to have credentials; for the documentation. */
  readonly authenticated: boolean
  readonly bodyBytesMax: number
  /** The address that a request comes from; see `clientAddress`. */
  readonly addressOf: (context: Context) => string
  /** Asked for the block of addresses of each request before anything else; undefined for no limit. */
  readonly takeForAddress?: (block: string) => Decision
  /** Whether the server speaks TLS. */
  readonly overTls: boolean
  readonly audit: (entry: AuditEntry) => void
  /** Called once for each finished request. */
  readonly observe: (request: FinishedRequest) => void
  /** Answers a request within a trace; all that it calls is called within it. */
  readonly trace?: (request: TracedRequest, answer: () => Promise<Response>) => Promise<Response>
  /** An error that nobody expected. */
  readonly onError: (error: unknown, requestId: string) => void
  /** Monotonic time. */
  readonly nowMs: () => number
}

export interface TracedRequest {
  readonly method: string
  /** As of `FinishedRequest`. */
  readonly route: string
  readonly requestId: string
  /** A header of it, by its name in small letters. */
  readonly header: (name: string) => string | undefined
}

export interface FinishedRequest {
  readonly method: string
  /** The template of its path, or `unmatched`: never what the caller sent. */
  readonly route: string
  readonly requestId: string
  readonly status: number
  /** What the limiter said of it, if it was asked. */
  readonly decision: 'allowed' | 'refused' | undefined
  readonly durationMs: number
}

export const operations: readonly Operation[] = [
  ...ratingOperations,
  ...limitOperations,
  ...configurationOperations,
  ...serviceOperations,
]

const requestIdPattern = /^[A-Za-z0-9._-]{1,64}$/
const nobody: Identity = { subject: undefined, scopes: [] }
/** Probes have to get through, whoever else calls from their address. */
const unlimitedRoutes = new Set(['/health', '/ready'])
const unmatchedRoute = 'unmatched'
const jsonType = 'application/json'
const problemType = 'application/problem+json'

/** The HTTP API. */
export function createApp(options: AppOptions): Hono {
  const app = new Hono()
  for (const operation of operations) {
    const path = operation.path.replaceAll(/\{(\w+)\}/g, ':$1')
    app.on(operation.method, path, (context) =>
      serve(options, {
        context,
        route: operation.path,
        run: (requestId) => call(options, operation, { context, requestId }),
      }),
    )
  }
  addDocumentation(app, options)
  const methods = Map.groupBy(app.routes, ({ path }) => path)
  for (const [path, routes] of methods) {
    const allowed = routes.map(({ method }) => method)
    const allow = [...allowed, ...(allowed.includes('GET') ? ['HEAD'] : [])].join(', ')
    app.all(path, (context) =>
      serve(options, {
        context,
        route: unmatchedRoute,
        run: () =>
          Promise.reject(new ProblemError('method-not-allowed', `allowed: ${allow}`, { headers: { allow } })),
      }),
    )
  }
  app.notFound((context) =>
    serve(options, {
      context,
      route: unmatchedRoute,
      run: () => Promise.reject(new ProblemError('not-found', 'no such path; see /docs')),
    }),
  )
  return app
}

function addDocumentation(app: Hono, options: AppOptions): void {
  const document = JSON.stringify(openApiDocument(operations, options.authenticated))
  let page: Promise<string> | undefined
  const pages: Record<string, () => Promise<Answer>> = {
    '/openapi.json': () =>
      Promise.resolve({ status: 200, headers: { 'content-type': jsonType }, text: document }),
    '/docs': async () => {
      page ??= docsPage(operations, options.authenticated)
      return { status: 200, headers: pageHeaders, text: await page }
    },
  }
  for (const [path, run] of Object.entries(pages)) {
    app.get(path, (context) => serve(options, { context, route: path, run }))
  }
}

interface Serving {
  readonly context: Context
  readonly route: string
  readonly run: (requestId: string) => Answer | Promise<Answer>
}

/** Runs a request to its answer or its problem document, and tells the observer. */
function serve(options: AppOptions, serving: Serving): Promise<Response> {
  const { context, route } = serving
  const given = headerOf(context, 'x-request-id')
  const requestId = given !== undefined && requestIdPattern.test(given) ? given : crypto.randomUUID()
  if (!options.trace) return answer(options, serving, requestId)
  const header = (name: string): string | undefined => headerOf(context, name)
  return options.trace({ method: context.req.method, route, requestId, header }, () =>
    answer(options, serving, requestId),
  )
}

async function answer(options: AppOptions, serving: Serving, requestId: string): Promise<Response> {
  const { context, route, run } = serving
  const startMs = options.nowMs()
  let response: Response
  let decision: FinishedRequest['decision']
  try {
    if (options.takeForAddress && !unlimitedRoutes.has(route)) limitAddress(options, context)
    const answered = run(requestId)
    const ready = answered instanceof Promise ? await answered : answered
    if (ready.headers?.['ratelimit'] !== undefined) decision = 'allowed'
    response = respond(ready, requestId, options.overTls)
  } catch (error) {
    const problem = problemOf(error, options, requestId)
    if (problem.code === 'rate-limited') decision = 'refused'
    response = respondProblem(problem, requestId, options.overTls)
  }
  options.observe({
    method: context.req.method,
    route,
    requestId,
    status: response.status,
    decision,
    durationMs: options.nowMs() - startMs,
  })
  return response
}

/** Before credentials are looked at: to guess them, or to make the node check them, costs the address its tokens. */
function limitAddress({ addressOf, takeForAddress }: AppOptions, context: Context): void {
  const decision = takeForAddress?.(addressBlock(addressOf(context)))
  if (!decision || decision.allowed) return
  throw new ProblemError('rate-limited', 'too many requests from this address', {
    headers: { ...rateLimitHeaders(decision), ...retryAfter(decision.retryAfterMs) },
  })
}

interface Calling {
  readonly context: Context
  readonly requestId: string
  identity?: Identity
}

async function call(options: AppOptions, operation: Operation, calling: Calling): Promise<Answer> {
  if (operation.audit === undefined) return perform(options, operation, calling)
  let outcome = 'done'
  let details: AuditEntry['details'] = calling.context.req.param()
  try {
    const given = await perform(options, operation, calling)
    details = { ...details, ...given.audited }
    return given
  } catch (error) {
    outcome = problemOf(error, options, calling.requestId).code
    throw error
  } finally {
    options.audit({
      action: operation.audit,
      who: calling.identity?.subject ?? null,
      credential: calling.identity?.credential ?? null,
      from: options.addressOf(calling.context),
      requestId: calling.requestId,
      outcome,
      details,
    })
  }
}

async function perform(options: AppOptions, operation: Operation, calling: Calling): Promise<Answer> {
  const { context } = calling
  const { req } = context
  let identity = nobody
  if (operation.scope) {
    const authenticated = options.authenticate(context)
    identity = authenticated instanceof Promise ? await authenticated : authenticated
    calling.identity = identity
    requireScope(identity, operation.scope)
  }
  if (operation.params) requireDecodable(req.url)
  const params = operation.params ? validateParameters(operation.params, req.param()) : {}
  const query = operation.query ? validateParameters(operation.query, req.query()) : {}
  const body = operation.body
    ? validateBody(operation.body, await readJson(context, options.bodyBytesMax))
    : undefined
  const handled = operation.handle(options, { params, query, body, identity }, context)
  return operation.success.cached ? conditional(await handled, headerOf(context, 'if-none-match')) : handled
}

function requireDecodable(url: string): void {
  if (!url.includes('%')) return
  try {
    decodeURIComponent(new URL(url).pathname)
  } catch {
    throw new ProblemError(
      'malformed-path',
      'a % in a path begins two hexadecimal digits, and all of them are UTF-8',
    )
  }
}

// Responses are made of plain header objects, not through the context: node-server writes those as they are.
function respond({ status, headers, json, text }: Answer, requestId: string, overTls: boolean): Response {
  const common = securityHeaders[overTls ? 'overTls' : 'plain']
  if (status === 204 || status === 304)
    return new Response(null, { status, headers: { ...common, 'x-request-id': requestId, ...headers } })
  return new Response(text ?? JSON.stringify(json), {
    status,
    headers: {
      'content-type': jsonType,
      ...common,
      'x-request-id': requestId,
      ...headers,
    },
  })
}

function respondProblem(problem: ProblemError, requestId: string, overTls: boolean): Response {
  return new Response(JSON.stringify(problem.document(requestId)), {
    status: problem.status,
    headers: {
      'content-type': problemType,
      ...securityHeaders[overTls ? 'overTls' : 'plain'],
      'x-request-id': requestId,
      ...problem.headers,
    },
  })
}

/** The problem that an error is to the caller. */
function problemOf(error: unknown, { onError }: AppOptions, requestId: string): ProblemError {
  if (error instanceof ProblemError) return error
  if (error instanceof UnknownLimitError) return new ProblemError('unknown-limit', error.message)
  if (error instanceof KeyDeniedError) return new ProblemError('key-denied', error.message)
  if (error instanceof CostError) {
    return new ProblemError('invalid', error.message, { violations: [{ detail: error.message }] })
  }
  if (error instanceof CursorError) {
    return new ProblemError('invalid', error.message, {
      violations: [{ parameter: 'cursor', detail: error.message }],
    })
  }
  if (error instanceof IdempotencyKeyReusedError)
    return new ProblemError('idempotency-key-reused', error.message)
  if (error instanceof StoreUnavailableError) {
    onError(error, requestId)
    const detail = 'nothing is lost: send the request again'
    return new ProblemError('store-unavailable', detail, { headers: retryAfter(error.retryAfterMs) })
  }
  onError(error, requestId)
  return new ProblemError('internal', `see the log for request ${requestId}`)
}

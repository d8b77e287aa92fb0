import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCli, type CliProcess } from './support/cli.ts'
import { startOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from './support/otlp-receiver.ts'
import { startPostgres, type PostgresServer } from './support/postgres.ts'

const apiKey = 'k3y-that-nobody-may-read'
const user = 'user-that-nobody-may-read'
const subject = 'subject-that-nobody-may-read'
const comment = 'comment-that-nobody-may-read'
const caller = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' }
const sampled = `00-${caller.traceId}-${caller.spanId}-01`

let server: PostgresServer
let receiver: OtlpReceiver
let directory: string
let edge: CliProcess
let url: string
let log: Record<string, unknown>[]

beforeAll(async () => {
  server = await startPostgres()
  receiver = await startOtlpReceiver()
  directory = await mkdtemp(join(tmpdir(), 'openclaw-tracing-'))
  const sha256 = createHash('sha256').update(apiKey).digest('hex')
  const config = join(directory, 'edge.yaml')
  await writeFile(
    config,
    `token_buckets: { us-east-1: { capacity: 2, refill_per_sec: 0.001 } }
http: { port: 0 }
store: { connect_timeout: 1s, statement_timeout: 1s }
auth: { api_keys: [{ id: tester, subject: ${user}, sha256: ${sha256}, scopes: [rate, read] }] }
`,
  )
  edge = startCli(['serve', '--config', config, '--region', 'us-east-1'], {
    env: {
      RATING_DB_URL: server.url,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      OPENCLAW_LOG_LEVEL: 'debug',
    },
  })
  const [, listening] = await edge.waitFor(/"listening":"(http:[^"]+)"/)
  url = listening!
  await drive()
  // What was not sent yet is sent before the end.
  await edge.stop('SIGTERM')
  log = edge
    .output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}, 120_000)

afterAll(async () => {
  await edge.stop('SIGKILL')
  receiver.close()
  await server.stop()
  await rm(directory, { recursive: true, force: true })
})

const answers: Record<string, Response> = {}

/** A rating, a read of it, one that the limit refuses, one without credentials, and one that the store fails. */
async function drive(): Promise<void> {
  const rating = { subject, score: 5, comment }
  answers['stored'] = await send('POST', '/v1/ratings', rating, {
    traceparent: sampled,
    'x-request-id': 'stored',
  })
  answers['read'] = await send('GET', `/v1/subjects/${subject}`, undefined, { 'x-request-id': 'read' })
  answers['unsampled'] = await send('GET', `/v1/subjects/${subject}/ratings/${user}`, undefined, {
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`,
  })
  answers['anonymous'] = await fetch(`${url}/v1/ratings?user=${user}`, { method: 'POST' })
  await send('GET', '/metrics')
  await send('POST', '/v1/ratings', rating)
  answers['refused'] = await send('POST', '/v1/ratings', rating, { 'x-request-id': 'refused' })
  await server.kill()
  answers['failed'] = await send('GET', `/v1/subjects/${subject}/ratings`, undefined, {
    'x-request-id': 'failed',
  })
}

function send(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
}

const requestSpan = (requestId: string): ReceivedSpan =>
  receiver.spans.find(({ attributes }) => attributes['openclaw.request_id'] === requestId)!
const childrenOf = ({ spanId }: ReceivedSpan): ReceivedSpan[] =>
  receiver.spans.filter(({ parentSpanId }) => parentSpanId === spanId)

test('the driven requests were answered as meant', () => {
  const statuses = Object.fromEntries(Object.entries(answers).map(([name, { status }]) => [name, status]))
  expect(statuses).toEqual({
    stored: 201,
    read: 200,
    unsampled: 200,
    anonymous: 401,
    failed: 503,
    refused: 429,
  })
})

test('a request is a span under its caller, with route, status and region, and its group commit under it', () => {
  const span = requestSpan('stored')
  expect(span).toMatchObject({
    name: 'POST /v1/ratings',
    kind: 2,
    traceId: caller.traceId,
    parentSpanId: caller.spanId,
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/v1/ratings',
      'http.response.status_code': 201,
    },
    resource: {
      'service.name': 'openclaw-edge',
      'service.instance.id': 'us-east-1/0',
      'cloud.region': 'us-east-1',
    },
  })
  expect(childrenOf(span)).toMatchObject([
    { name: 'store.put_many', traceId: caller.traceId, attributes: { 'db.operation.batch.size': 1 } },
  ])
  expect(answers['stored']!.headers.get('traceresponse')).toBe(`00-${span.traceId}-${span.spanId}-01`)
})

test('a read that the cache lacks has a span of its own, in a new trace where the caller has none', () => {
  const span = requestSpan('read')
  expect(span).toMatchObject({
    name: 'GET /v1/subjects/{subject}',
    attributes: { 'http.response.status_code': 200 },
  })
  expect(span.parentSpanId ?? '').toBe('')
  expect(span.traceId).not.toBe(caller.traceId)
  expect(childrenOf(span)).toMatchObject([{ name: 'store.scores', traceId: span.traceId }])
})

test('what the store fails is marked as failed; what the limit refuses is not, and never reaches the store', () => {
  expect(requestSpan('failed')).toMatchObject({
    statusCode: 2,
    attributes: { 'http.response.status_code': 503 },
  })
  expect(childrenOf(requestSpan('failed'))).toMatchObject([{ name: 'store.list', statusCode: 2 }])
  expect(requestSpan('refused').attributes['http.response.status_code']).toBe(429)
  expect(requestSpan('refused').statusCode ?? 0).toBe(0)
  expect(childrenOf(requestSpan('refused'))).toEqual([])
})

test('nothing is sent of a trace that the caller does not sample, nor of scrapes', () => {
  expect(receiver.spans.filter(({ traceId }) => traceId === 'a'.repeat(32))).toEqual([])
  expect(receiver.spans.map(({ name }) => name)).not.toContain('GET /metrics')
  expect(answers['unsampled']!.headers.get('traceresponse')).toMatch(/^00-a{32}-[0-9a-f]{16}-00$/)
})

test('the log has each request with its id, region, decision and trace', () => {
  const lineOf = (requestId: string): Record<string, unknown> | undefined =>
    log.find((line) => line['requestId'] === requestId && line['msg'] === 'request')
  expect(lineOf('stored')).toMatchObject({
    region: 'us-east-1',
    method: 'POST',
    route: '/v1/ratings',
    status: 201,
    decision: 'allowed',
    traceId: caller.traceId,
  })
  expect(lineOf('read')).not.toHaveProperty('decision')
  expect(lineOf('refused')).toMatchObject({
    status: 429,
    decision: 'refused',
    traceId: requestSpan('refused').traceId,
  })
  expect(log.find(({ msg }) => msg === 'a request failed')).toMatchObject({
    requestId: 'failed',
    traceId: requestSpan('failed').traceId,
    err: { type: 'StoreUnavailableError' },
  })
})

test('neither spans nor the log hold the key, the user, or what was rated', () => {
  expect(receiver.text()).toContain('/v1/ratings')
  for (const secret of [apiKey, user, subject, comment, server.url]) {
    expect(receiver.text()).not.toContain(secret)
    expect(edge.output()).not.toContain(secret)
  }
})

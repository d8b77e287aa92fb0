import { request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseConfig } from '../config/load.ts'
import { operations } from '../http/app.ts'
import { problems } from '../http/problems.ts'
import type { RatingStore } from '../ratings/store.ts'
import { InProcessNetwork } from '../replication/in-process.ts'
import { startEdge, type Edge } from './edge.ts'
import { randomHashKey } from './hash-key.ts'
import { createLogger } from './logger.ts'

const yaml = `
token_buckets:
  us: { capacity: 5, refill_per_sec: 0.001 }
  eu: { capacity: 5, refill_per_sec: 0.001 }
limits:
  api: { shares: { us: { capacity: 3, refill_per_sec: 0.001 } } }
http: { port: 0 }
log: { level: silent }
`

/** All values that a label of our metrics may have, whatever callers send. */
const allowed: Record<string, readonly string[] | RegExp> = {
  region: ['us'],
  route: [...operations.map(({ path }) => path), '/docs', '/openapi.json', 'unmatched'],
  code: ['200', '201', '204', ...new Set(Object.values(problems).map(({ status }) => String(status)))],
  limit: ['ratings', 'api'],
  outcome: ['allowed', 'refused', 'would_refuse', 'denied'],
  state: ['full', 'in_use'],
  result: ['hit', 'stale', 'away', 'miss', 'collapsed', 'bypass'],
  peer_region: ['eu'],
  le: /^(\d+(\.\d+)?|\+Inf)$/,
  version: /^\d+\.\d+\.\d+/,
}

/** What it answers is no matter here, and starting a database takes seconds. */
const store: RatingStore = {
  putMany: (writes) =>
    Promise.resolve(writes.map((write) => ({ ...write, createdAt: new Date(0), updatedAt: new Date(0) }))),
  remove: (subject) => Promise.resolve(subject.length < 40),
  find: () => Promise.resolve(undefined),
  list: () => Promise.resolve({ items: [], nextCursor: null }),
  scores: () => Promise.resolve({ count: 0, histogram: [0, 0, 0, 0, 0] }),
  forgetBefore: () => Promise.resolve(),
  ping: () => Promise.resolve(),
  close: () => Promise.resolve(),
}

let edge: Edge

beforeAll(async () => {
  const parsed = parseConfig(yaml, { file: 'test.yaml', env: {} })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors))
  edge = await startEdge({
    config: parsed.config,
    transport: new InProcessNetwork({ delayMs: () => 0, schedule: setTimeout }).connect('us/0'),
    store,
    hashKey: randomHashKey(),
    logger: createLogger({ level: 'silent', region: 'us' }),
    port: 0,
    startsFresh: true,
  })
})

afterAll(() => edge.close())

/** As it is, without what `fetch` would put right. */
function send(method: string, path: string, body?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(edge.url, {
      method,
      path,
      headers: {
        'x-request-id': path.slice(0, 200),
        ...(body !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        }),
      },
    })
    call.on('error', reject).on('response', (response) => {
      response.resume().on('end', () => resolve(response.statusCode!))
    })
    call.end(body)
  })
}

async function series(): Promise<{ text: string; names: string[] }> {
  const text = await (await fetch(`${edge.url}/metrics`)).text()
  const lines = text.split('\n').filter((line) => line.startsWith('openclaw_'))
  return { text, names: lines.map((line) => line.slice(0, line.lastIndexOf(' '))).toSorted() }
}

/** What a caller may send where a name is expected; `mark` is in each. */
function hostileNames(mark: string): string[] {
  return [
    mark,
    `${mark}"} 1\nopenclaw_requests_total{route="x"`,
    `${mark}\\{}=,"'`,
    `../${mark}/..`,
    `__proto__${mark}`,
    `${mark}💥\u{202E}`,
    mark.repeat(40),
    `${mark}%`,
  ]
}

/** Every call of the API, with hostile names in place of all that callers choose; and paths and methods that are none. */
async function drive(mark: string): Promise<Set<number>> {
  const codes = new Set<number>()
  for (const name of hostileNames(mark)) {
    const encoded = encodeURIComponent(name)
    const query = `?user=${encoded}&cursor=${encoded}&limit=${encoded}&${encoded}=${encoded}`
    for (const { method, path, body } of operations) {
      for (const limit of path.includes('{limit}') ? [encoded, 'ratings'] : ['']) {
        const filled = path.replace('{limit}', limit).replaceAll(/\{\w+\}/g, encoded)
        const bodies = body
          ? [
              JSON.stringify({ key: name, tokens: 1 }),
              JSON.stringify({ key: name, cost: 7 }),
              JSON.stringify({ subject: name, score: 5, comment: name }),
              JSON.stringify({ [name]: name }),
              name,
            ]
          : [undefined]
        for (const sent of bodies) codes.add(await send(method.toUpperCase(), filled + query, sent))
        codes.add(await send(method.toUpperCase(), `${filled}?user=${encoded}`, bodies[2]))
      }
    }
    for (const path of [`/${encoded}`, `//${mark}`, `/v1/limits/%${mark}/take`, `/metrics/${encoded}`]) {
      codes.add(await send('GET', path))
    }
    for (const method of ['PUT', 'PATCH', 'PROPFIND', 'OPTIONS']) {
      codes.add(await send(method, `/v1/subjects/${encoded}`))
    }
  }
  return codes
}

function hasAllowedLabels(name: string): boolean {
  return [...name.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].every(([, label, value]) => {
    const values = allowed[label!]
    return values instanceof RegExp ? values.test(value!) : values?.includes(value!)
  })
}

test('no caller can put a value of his own in a label, or make a new series', async () => {
  const codes = await drive('zwilch')
  expect([...codes]).toEqual(expect.arrayContaining([200, 201, 204, 400, 404, 405, 422, 429]))
  const first = await series()
  await drive('gruffalo')
  const second = await series()
  expect(second.names).toEqual(first.names)
  expect(second.text).not.toMatch(/zwilch|gruffalo/)
  expect(second.names.filter((name) => !hasAllowedLabels(name))).toEqual([])
})

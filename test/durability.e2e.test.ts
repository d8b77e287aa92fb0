import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startCli, type CliProcess } from './support/cli.ts'
import { eventually } from './support/eventually.ts'
import { startNats } from './support/nats.ts'
import { startPostgres, type PostgresServer } from './support/postgres.ts'

const writers = 64
const acknowledgedBeforeKill = [1, 50, 700, 1500]

let server: PostgresServer
let directory: string
let configFile: string

beforeAll(async () => {
  server = await startPostgres()
  directory = await mkdtemp(join(tmpdir(), 'openclaw-durability-'))
  configFile = join(directory, 'edge.yaml')
  await writeFile(
    configFile,
    'token_buckets:\n  us-east-1: { capacity: 5000, refill_per_sec: 100 }\nhttp: { port: 0 }\n',
  )
})

afterAll(async () => {
  await server.stop()
  await rm(directory, { recursive: true, force: true })
})

function serve(config: string, storeUrl: string): CliProcess {
  return startCli(['serve', '--config', config, '--region', 'us-east-1'], {
    env: { RATING_DB_URL: storeUrl, OPENCLAW_HASH_KEY: '0123456789abcdef' },
  })
}

async function startEdge(config = configFile): Promise<{ edge: CliProcess; url: string }> {
  const edge = serve(config, server.url)
  const [, url] = await edge.waitFor(/"listening":"(http:[^"]+)"/)
  return { edge, url: url! }
}

/** Rates from many users at once until the edge is gone; answers what it acknowledged. */
async function hammer(
  url: string,
  { edge, round, until }: { edge: CliProcess; round: number; until: number },
): Promise<string[]> {
  const acknowledged: string[] = []
  let next = 0
  let killed: Promise<unknown> | undefined
  const writer = async (): Promise<void> => {
    while (!killed) {
      const user = `round${round}-user${next++}`
      const body = JSON.stringify({ subject: `subject${next % 7}`, score: 1 + (next % 5) })
      const answer = await fetch(`${url}/rating?user=${user}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      }).catch(() => undefined)
      if (answer?.status !== 200) continue
      acknowledged.push(user)
      if (acknowledged.length === until) killed = edge.stop('SIGKILL')
    }
  }
  await Promise.all(Array.from({ length: writers }, writer))
  await killed
  return acknowledged
}

test('a rating that got 2xx is in the store after kill -9 of the edge, and counted once', async () => {
  const sql = postgres(server.url, { max: 1, onnotice: () => {} })
  for (const [round, until] of acknowledgedBeforeKill.entries()) {
    const { edge, url } = await startEdge()
    const acknowledged = await hammer(url, { edge, round, until })
    expect(acknowledged.length).toBeGreaterThanOrEqual(until)
    const stored = await sql`select user_id from ratings where user_id like ${`round${round}-%`}`
    const users = new Set(stored.map((row) => String(row['user_id'])))
    expect(acknowledged.filter((user) => !users.has(user))).toEqual([])
  }
  const [ratings] = await sql`select count(*)::int as n from ratings`
  const [summaries] = await sql`select sum(count)::int as n from subject_summaries`
  expect(summaries!['n']).toBe(ratings!['n'])
  await sql.end()
})

test('SIGTERM finishes a request that is under way, and exits with 0', async () => {
  const { edge, url } = await startEdge()
  const body = JSON.stringify({ subject: 'term', score: 3 })
  const underWay = request(`${url}/rating?user=term`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'content-length': body.length, expect: '100-continue' },
  })
  const answered = once(underWay, 'response')
  underWay.flushHeaders()
  // The server has it now, and waits for its body.
  await once(underWay, 'continue')
  const code = edge.stop('SIGTERM')
  await edge.waitFor(/"msg":"stopping/)
  await expect(fetch(`${url}/health`)).rejects.toThrow(/./)
  underWay.end(body)
  const [answer] = (await answered) as [IncomingMessage]
  expect(answer.statusCode).toBe(200)
  expect(answer.headers.connection).toBe('close')
  answer.resume()
  expect(await code).toBe(0)
})

test('an edge starts while the store is away that its region has reached before, and not with the address of another', async () => {
  const nats = await startNats()
  onTestFinished(() => nats.stop())
  const joined = join(directory, 'joined.yaml')
  await writeFile(
    joined,
    `${await readFile(configFile, 'utf8')}cluster: { nats: { servers: ["nats://127.0.0.1:${nats.port}"] } }\n`,
  )
  const before = await startEdge(joined)
  await before.edge.stop('SIGTERM')
  await server.kill()

  const wrong = serve(joined, 'postgres://rating@127.0.0.1:1/rating')
  expect(await wrong.ended()).toBe(1)

  const { edge, url } = await startEdge(joined)
  const send = async (path: string, body: unknown): Promise<number> => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    await answer.text()
    return answer.status
  }
  expect(await send('/v1/limits/ratings/take', { key: 'early' })).toBe(200)
  expect(await send('/rating?user=early', { subject: 'early', score: 5 })).toBe(202)
  await eventually(async () => {
    const ready = await fetch(`${url}/ready`)
    expect([ready.status, await ready.text()]).toEqual([200, expect.stringContaining('ratings are queued')])
  })
  await server.restart()
  await eventually(async () => {
    const summary = await fetch(`${url}/v1/subjects/early`)
    expect(await summary.text()).toContain('"count":1')
  })
  expect(await edge.stop('SIGTERM')).toBe(0)
})

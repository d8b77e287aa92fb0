import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startCli, type CliProcess } from './support/cli.ts'

const guideConfig = fileURLToPath(new URL('../token_buckets.yaml', import.meta.url))
const regions = ['us-east-1', 'eu-central-1', 'ap-southeast-2'] as const
type Region = (typeof regions)[number]

let dataDir: string
let config: string
let dev: CliProcess
let urls: Record<Region, string>

async function start(): Promise<void> {
  dev = startCli(['dev', '--config', config, '--port', '0', '--data-dir', join(dataDir, 'data')])
  await dev.waitFor(/Ctrl-C/)
  urls = Object.fromEntries(
    regions.map((region) => [
      region,
      dev.output().match(new RegExp(`${region}\\s+(http://127\\.0\\.0\\.1:\\d+)`))![1]!,
    ]),
  ) as Record<Region, string>
}

const rate = (region: Region, user: string, body: unknown): Promise<Response> =>
  fetch(`${urls[region]}/rating?user=${user}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })

const take = (region: Region, key: string, cost: number): Promise<Response> =>
  fetch(`${urls[region]}/v1/limits/ratings/take`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key, cost }),
  })

const json = async (response: Promise<Response>): Promise<Record<string, unknown>> =>
  (await (await response).json()) as Record<string, unknown>

/** Asks until the answer passes: what crosses regions takes its time. */
const eventually = (check: () => Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 20_000, interval: 20 })

const capacity = async (region: Region): Promise<unknown> =>
  (await json(fetch(`${urls[region]}/v1/limits/ratings/buckets/nobody`)))['capacity']

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'openclaw-dev-'))
  config = join(dataDir, 'token_buckets.yaml')
  await copyFile(guideConfig, config)
  await start()
  for (const region of regions) await eventually(async () => expect(await capacity(region)).toBe(12_000))
})

afterAll(async () => {
  await dev.stop()
  await rm(dataDir, { recursive: true, force: true })
})

test('every region answers that it is healthy and ready', async () => {
  for (const region of regions) {
    expect(await json(fetch(`${urls[region]}/health`))).toEqual({ status: 'ok' })
    expect((await fetch(`${urls[region]}/ready`)).status).toBe(200)
  }
})

test('the curl lines that it prints work', async () => {
  const line = dev.output().match(/curl [^\n]*\/rating\?user=[^\n]*/)![0]
  const { execFile } = await import('node:child_process')
  const { promisify } = await import('node:util')
  const { stdout } = await promisify(execFile)('bash', ['-c', line.replace('curl ', 'curl -s ')])
  expect(JSON.parse(stdout)).toEqual({ status: 'ok' })
})

test('a rating sent to one region is in the summary that another reads', async () => {
  expect(await json(rate('us-east-1', 'alice', { subject: 'tea', score: 4 }))).toEqual({ status: 'ok' })
  expect(await json(fetch(`${urls['ap-southeast-2']}/v1/subjects/tea`))).toMatchObject({ count: 1, mean: 4 })
  // Cached there now: the next rating has to invalidate it.
  await rate('us-east-1', 'bob', { subject: 'tea', score: 2 })
  await eventually(async () =>
    expect(await json(fetch(`${urls['ap-southeast-2']}/v1/subjects/tea`))).toMatchObject({
      count: 2,
      mean: 3,
    }),
  )
})

test('a bucket spent in one region is refused in the others, with Retry-After', async () => {
  expect((await take('us-east-1', 'spender', 12_000)).status).toBe(200)
  await eventually(async () => {
    const answer = await take('eu-central-1', 'spender', 2000)
    expect(answer.status).toBe(429)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(answer.headers.get('ratelimit')).toMatch(/^"ratings";r=\d+;t=\d+/)
  })
  // The guide's own handler too.
  await take('us-east-1', 'rater', 12_000)
  await eventually(async () => expect((await take('ap-southeast-2', 'rater', 3000)).status).toBe(429))
})

describe('wrong input gets the right problem document', () => {
  test.each([
    ['bad JSON', '{"subject": ', 400],
    ['an unknown field', { subject: 'tea', score: 4, stars: 5 }, 422],
    ['score 6', { subject: 'tea', score: 6 }, 422],
    ['a comment of 3,000 characters', { subject: 'tea', score: 4, comment: 'x'.repeat(3000) }, 422],
    ['a body of 2 MB', { subject: 'tea', score: 4, comment: 'x'.repeat(2_000_000) }, 413],
  ])('%s', async (_name, body, status) => {
    const answer = await rate('us-east-1', 'alice', body)
    expect(answer.status).toBe(status)
    expect(answer.headers.get('content-type')).toContain('application/problem+json')
    expect(await answer.json()).toMatchObject({ status, title: expect.any(String), type: expect.any(String) })
  })
})

test('metrics of each region name it, and count what happened', async () => {
  const text = await (await fetch(`${urls['us-east-1']}/metrics`)).text()
  expect(text).toMatch(/openclaw_requests_total\{[^}]*route="\/rating"[^}]*region="us-east-1"[^}]*\} [1-9]/)
  expect(text).toMatch(/openclaw_peers_in_contact\{region="us-east-1"\} 2/)
})

test('limits are reloaded when the file changes, in all regions and all or nothing', async () => {
  const text = await readFile(config, 'utf8')
  await writeFile(config, text.replace('capacity: 5000', 'capacity: 6000'))
  for (const region of regions) await eventually(async () => expect(await capacity(region)).toBe(13_000))
  await writeFile(
    config,
    text.replace('capacity: 5000', 'capacity: 7000').replace('capacity: 4000', 'capacity: -1'),
  )
  const said = await dev.waitFor(/configuration not reloaded[^\n]*/)
  expect(dev.output()).toContain('token_buckets.eu-central-1.capacity: -1 is not allowed')
  expect(said).toBeDefined()
  expect(await capacity('us-east-1')).toBe(13_000)
  await writeFile(config, text)
  for (const region of regions) await eventually(async () => expect(await capacity(region)).toBe(12_000))
})

test('a configuration with mistakes is refused at the start, with all of them and their places', async () => {
  const wrong = join(dataDir, 'wrong.yaml')
  await writeFile(
    wrong,
    'token_buckets:\n  us-east-1:\n    capacity: -5\n    refill_per_sec: fast\n    burst: 3\n',
  )
  const refused = startCli(['dev', '--config', wrong, '--port', '0', '--data-dir', join(dataDir, 'other')])
  expect(await refused.ended()).toBe(2)
  expect(refused.output()).toContain('wrong.yaml:3:15 token_buckets.us-east-1.capacity: -5 is not allowed')
  expect(refused.output()).toContain('wrong.yaml:4:21 token_buckets.us-east-1.refill_per_sec')
  expect(refused.output()).toContain('wrong.yaml:5:5')
})

test('a second process on the same data directory is refused, and says why', async () => {
  const second = startCli(['dev', '--config', config, '--port', '0', '--data-dir', join(dataDir, 'data')])
  expect(await second.ended()).toBe(1)
  expect(second.output()).toMatch(/is in use by process \d+/)
})

test('ratings survive a stop with Ctrl-C, which ends cleanly', async () => {
  await rate('eu-central-1', 'carol', { subject: 'coffee', score: 5, comment: 'Twice.' })
  expect(await dev.stop('SIGINT')).toBe(0)
  await start()
  expect(await json(fetch(`${urls['us-east-1']}/v1/subjects/coffee/ratings/carol`))).toMatchObject({
    score: 5,
    comment: 'Twice.',
  })
})

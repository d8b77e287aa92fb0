import { once } from 'node:events'
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCli, type CliProcess } from './support/cli.ts'
import { eventually } from './support/eventually.ts'

const guideConfig = fileURLToPath(new URL('../token_buckets.yaml', import.meta.url))
const regions = ['us-east-1', 'eu-central-1', 'ap-southeast-2']

let directory: string
let dev: CliProcess

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openclaw-load-'))
  await copyFile(guideConfig, join(directory, 'token_buckets.yaml'))
  dev = startCli(['dev', '--port', '0'], { cwd: directory })
  await dev.waitFor(/Ctrl-C/)
})

afterAll(async () => {
  await dev.stop()
  await rm(directory, { recursive: true, force: true })
})

/** How many requests an edge has counted on a route, whatever it answered. */
async function requestsOn(url: string, route: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const samples = text
    .split('\n')
    .filter((line) => line.startsWith('openclaw_requests_total{') && line.includes(`route="${route}"`))
  return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0)
}

interface Written {
  readonly regions: readonly {
    readonly region: string
    readonly url: string
    readonly due: number
    readonly answered: number
    readonly failed: number
    readonly notSent: number
  }[]
  readonly missed: readonly string[]
}

const load = (...args: string[]): CliProcess => startCli(['load', ...args], { cwd: directory })

test('counts what the edges count, and writes its reports', async () => {
  const run = load(
    '--rate',
    '15',
    '--ramp',
    '0s',
    '--duration',
    '2s',
    '--json',
    'load.json',
    '--html',
    'load.html',
  )
  expect(await run.ended()).toBe(0)
  const { regions: results, missed } = JSON.parse(
    await readFile(join(directory, 'load.json'), 'utf8'),
  ) as Written
  expect(missed).toEqual([])
  expect(results.map(({ region }) => region)).toEqual(regions)
  for (const { url, due, answered, failed, notSent } of results) {
    // A busy machine may not get all sent in time; nothing is hidden then.
    expect({ due, failed }).toEqual({ due: 30, failed: 0 })
    expect(answered + notSent).toBe(due)
    expect(await requestsOn(url, '/rating')).toBe(answered)
    expect(await requestsOn(url, '/v1/subjects/{subject}')).toBe(answered)
  }
  for (const region of regions)
    expect(run.output()).toMatch(new RegExp(`\\| ${region} .*\\| +0\\.0 \\| +[\\d.]+ \\|`))
  const page = await readFile(join(directory, 'load.html'), 'utf8')
  expect(page.match(/<polyline/g)).toHaveLength(3 * regions.length)
})

test('a spent bucket is exhaustion, not an error; a missed threshold is exit code 1', async () => {
  const [, url] = dev.output().match(/us-east-1\s+(http:\S+)/)!
  // One user: his bucket is spent first.
  const spent = await fetch(`${url}/v1/limits/ratings/take`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key: 'load-user-1', cost: 11_500 }),
  })
  expect(spent.status).toBe(200)
  const common = ['-w', 'take', '--users', '1', '--ramp', '0s', '--duration', '1s', '-t', `us-east-1=${url}`]
  const run = load(...common, '--rate', '1500', '--max-errors', '100%', '--max-p95', '0ms')
  expect(await run.ended()).toBe(1)
  expect(run.output()).toContain('us-east-1: p95')
  expect(run.output()).not.toContain('HTTP 429')
  expect(await requestsOn(url!, '/v1/limits/{limit}/take')).toBeGreaterThan(500)
  const exhausted = Number(run.output().match(/\| +([\d.]+) \| +[\d.]+ \|\n\n/)![1])
  expect(exhausted).toBeGreaterThan(0)
})

test('Ctrl-C ends it early, with the table', async () => {
  const [, url] = dev.output().match(/eu-central-1\s+(http:\S+)/)!
  const before = await requestsOn(url!, '/rating')
  const run = load('--rate', '10', '--ramp', '0s', '--duration', '1h')
  await eventually(async () => expect(await requestsOn(url!, '/rating')).toBeGreaterThan(before))
  expect(await run.stop('SIGINT')).toBe(0)
  expect(run.output()).toContain('Stopped before its time.')
  expect(run.output()).toContain('| eu-central-1')
})

test('options that are not allowed are refused, all at once, with exit code 2', async () => {
  const run = load('--rate', 'fast', '--duration', '0s', '--target', 'us')
  expect(await run.ended()).toBe(2)
  for (const name of ['--rate fast', '--duration 0s', '--target us']) expect(run.output()).toContain(name)
  const unknown = load('--rat', '5')
  expect(await unknown.ended()).toBe(2)
})

test('edges that do not answer are named, all of them', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const run = load('-t', 'us=http://127.0.0.1:1', '-t', `eu=http://127.0.0.1:${port}`, '--timeout', '1s')
  expect(await run.ended()).toBe(1)
  expect(run.output()).toContain('us: http://127.0.0.1:1/health: no connection')
  expect(run.output()).toContain(`eu: http://127.0.0.1:${port}/health: timeout`)
  silent.close()
})

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCli } from './support/cli.ts'
import { eventually } from './support/eventually.ts'
import { regions, Regions, type Region } from './support/regions.ts'
import { takeFrom } from './support/traffic.ts'

const limitsOf = (tokens: number): string =>
  `token_buckets: { ${regions.map((region) => `${region}: { capacity: ${tokens}, refill_per_sec: 1 }`).join(', ')} }\n`

let cluster: Regions
let directory: string

beforeAll(async () => {
  cluster = await Regions.start(limitsOf(10))
  directory = await mkdtemp(join(tmpdir(), 'openclaw-apply-'))
  await eventually(async () => {
    for (const region of regions) expect(await capacity(region)).toBe(30)
  })
})
afterAll(async () => {
  await cluster.stop()
  await rm(directory, { recursive: true, force: true })
})

/** Of a bucket as the edge of a region has it in force. */
async function capacity(region: Region): Promise<number> {
  const answer = await fetch(`${cluster.url(region)}/v1/limits/ratings/buckets/somebody`)
  return ((await answer.json()) as { capacity: number }).capacity
}

const capacities = (): Promise<number[]> => Promise.all(regions.map(capacity))

async function limitsIn(region: Region): Promise<string | undefined> {
  const answer = await fetch(`${cluster.url(region)}/ready`)
  return ((await answer.json()) as { checks: Record<string, string> }).checks['limits']
}

async function config(region: Region, ...args: string[]): Promise<{ code: number | null; output: string }> {
  const command = startCli(['config', ...args, '--url', cluster.url(region)], { cwd: directory })
  const code = await command.ended()
  return { code, output: command.output() }
}

async function apply(region: Region, text: string): Promise<{ code: number | null; output: string }> {
  const file = join(directory, 'limits.yaml')
  // What else a configuration says is none of its business.
  await writeFile(file, `${text}cluster: { hash_key_env: NOT_SET_HERE }\n`)
  return config(region, 'apply', file)
}

test('limits change in all regions, under load, without a failed request', async () => {
  let isOver = false
  const load = takeFrom(cluster, 'ratings', 'driver', { pauseMs: 20, isOver: () => isOver })
  expect(await apply('eu', limitsOf(200))).toMatchObject({
    code: 0,
    output: expect.stringMatching(
      /^Version 1 is in force in eu\/0, (us\/0, ap|ap\/0, us)\/0 \(before: version 0\)\.\n$/,
    ),
  })
  expect(await capacities()).toEqual([600, 600, 600])
  isOver = true
  const takes = await load
  // Each was answered by 200 or 429, or this would have thrown; and the new limit lets more through than the old one had.
  expect(takes.filter(({ allowed }) => allowed).length).toBeGreaterThan(30)
  for (const region of regions) expect(await limitsIn(region)).toBe('version 1')
  const metrics = await (await fetch(`${cluster.url('ap')}/metrics`)).text()
  expect(metrics).toMatch(/openclaw_limits_version\{region="ap"\} 1\n/)
})

test('a bad file changes nothing anywhere, and what is wrong is said with its place', async () => {
  const { code, output } = await apply('us', limitsOf(0))
  expect(code).not.toBe(0)
  expect(output).toMatch(/limits\.yaml:1:\d+ token_buckets\.us\.capacity: 0 is not allowed/)
  const body = JSON.stringify({ token_buckets: { us: { capacity: 5, refill_per_sec: 1 } } })
  const headers = { 'content-type': 'application/json' }
  const url = `${cluster.url('us')}/v1/config/limits`
  // Good for us, and for no other region.
  const answer = await fetch(url, { method: 'PUT', headers, body })
  expect([answer.status, ((await answer.json()) as { detail: string }).detail]).toEqual([
    409,
    expect.stringMatching(/eu\/0: region eu has a replica that runs, and no share/),
  ])
  expect(await capacities()).toEqual([600, 600, 600])
  for (const region of regions) expect(await limitsIn(region)).toBe('version 1')
})

test('with a region cut off nothing is changed anywhere, from either side', async () => {
  cluster.cut('ap')
  const [fromUs, fromAp] = await Promise.all([
    config('us', 'rollback', '--to', '1'),
    config('ap', 'rollback', '--to', '1'),
  ])
  cluster.heal('ap')
  expect([fromUs.code, fromAp.code]).toEqual([1, 1])
  expect(fromUs.output + fromAp.output).toMatch(/did not answer|out of reach|does not answer/)
  await eventually(async () => expect(await capacities()).toEqual([600, 600, 600]))
  for (const region of regions) expect(await limitsIn(region)).toBe('version 1')
})

test('an earlier version comes back, who starts later has it, and the history says all', async () => {
  await eventually(async () => expect((await apply('us', limitsOf(100))).code).toBe(0))
  expect(await capacities()).toEqual([300, 300, 300])
  await eventually(async () => expect((await config('ap', 'history')).code).toBe(0))
  expect((await config('ap', 'rollback')).output).toMatch(
    /^Version 3 is in force in .* \(before: version 2\)/,
  )
  expect(await capacities()).toEqual([600, 600, 600])
  await cluster.edge('eu').stop('SIGTERM')
  await cluster.startEdge('eu')
  expect(await limitsIn('eu')).toBe('version 3')
  await eventually(async () => expect(await capacity('eu')).toBe(600))
  const { items } = JSON.parse((await config('us', 'history', '--json')).output) as {
    items: { version: number; note: string }[]
  }
  expect(items.map(({ version, note }) => [version, note])).toEqual([
    [3, 'rolled back to version 1'],
    [2, 'applied'],
    [1, 'applied'],
  ])
  expect(cluster.edge('us').output()).toMatch(
    /"audit":true,"action":"limits\.apply".*"outcome":"done".*"before":\{"version":1/,
  )
})

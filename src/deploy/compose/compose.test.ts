import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { CommandError, type RunCommand } from '../command.ts'
import { readConfig } from '../config-check.ts'
import { Releases } from '../releases.ts'
import { RolloutError } from '../target.ts'
import { ComposeTarget } from './compose-target.ts'

const config =
  'token_buckets: { us: { capacity: 5, refill_per_sec: 1 }, eu: { capacity: 5, refill_per_sec: 1 } }\n'

let directory: string
let told: string[]
let failing: RegExp | undefined
let target: ComposeTarget

const run: RunCommand = (program, args) => {
  const line = [program, ...args].join(' ').replaceAll(directory, '')
  told.push(line.replace('docker compose --file /.openclaw/compose/compose.yaml ', ''))
  return failing?.test(line) ? Promise.reject(new CommandError('it failed')) : Promise.resolve('')
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openclaw-compose-'))
  await writeFile(join(directory, 'openclaw.yaml'), 'name: shop\ntarget: compose\nedges: []\n')
  told = []
  failing = undefined
  target = new ComposeTarget(directory, run, (url) => {
    told.push(`${new URL(url).protocol} all serve`)
    return Promise.resolve()
  })
  await target.provision([
    { region: 'us', size: 'small' },
    { region: 'eu', size: 'large' },
  ])
})

async function rollOut(image: string, env: Record<string, string> = {}): Promise<void> {
  const release = await new Releases(directory).create({ image, config, env }, { key: 'k', now: new Date(0) })
  await target.rollOut(release, { readyTimeoutMs: 90_000, onProgress: () => {} })
}

const fileOf = (name: string): string => join(directory, '.openclaw', 'compose', name)

interface Service {
  readonly image: string
  readonly ports?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes: readonly string[]
  readonly depends_on?: readonly string[]
}

async function services(): Promise<Record<string, Service>> {
  return (JSON.parse(await readFile(fileOf('compose.yaml'), 'utf8')) as { services: Record<string, Service> })
    .services
}

test('servers start first, then one edge after the other, then what is before them', async () => {
  await rollOut('shop:1')
  expect(told).toEqual([
    'up --detach --wait nats-us nats-eu postgres',
    'up --detach --no-deps --force-recreate --wait --wait-timeout=90 edge-us-0',
    'http: all serve',
    'up --detach --no-deps --force-recreate --wait --wait-timeout=90 edge-us-1',
    'http: all serve',
    'up --detach --no-deps front-us',
    'up --detach --no-deps --force-recreate --wait --wait-timeout=90 edge-eu-0',
    'http: all serve',
    'up --detach --no-deps --force-recreate --wait --wait-timeout=90 edge-eu-1',
    'http: all serve',
    'up --detach --no-deps front-eu',
  ])
})

test('a release that does not become ready gives way to the one before', async () => {
  await rollOut('shop:1')
  failing = /force-recreate .* edge-us-0/
  await expect(rollOut('shop:2')).rejects.toThrow(RolloutError)
  expect((await services())['edge-us-0']?.image).toBe('shop:1')
})

test('nothing but the fronts is reached from outside, and those from this machine only', async () => {
  await rollOut('shop:1')
  for (const [name, { ports = [] }] of Object.entries(await services())) {
    if (name.startsWith('front-')) expect(ports).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+:8080$/)])
    else expect(ports).toEqual([])
  }
})

test('every file and service that is named is there', async () => {
  await rollOut('shop:1')
  const all = await services()
  for (const { volumes, depends_on: needed = [] } of Object.values(all)) {
    for (const volume of volumes.filter((one) => one.startsWith('./')))
      expect((await stat(fileOf(volume.split(':')[0]!))).isFile()).toBe(true)
    for (const name of needed) expect(all).toHaveProperty([name])
  }
})

test('secrets stand in one file for its owner only, as they are', async () => {
  await rollOut('shop:1', { RATING_DB_URL: 'postgres://rating:p$w@db/rating' })
  expect((await stat(fileOf('compose.yaml'))).mode & 0o777).toBe(0o600)
  const all = await services()
  expect(all).not.toHaveProperty('postgres')
  // `$$` stands for `$` in what docker compose reads.
  expect(all['edge-eu-1']?.environment?.['RATING_DB_URL']).toBe('postgres://rating:p$$w@db/rating')
  expect(told.join('\n')).not.toContain('p$w')
})

test("an edge's configuration is valid, and joins it to its region's NATS", async () => {
  await rollOut('shop:1')
  const edge = readConfig(await readFile(fileOf('eu.yaml'), 'utf8'), { file: 'eu.yaml', env: {} })
  expect(edge.cluster.nats?.servers).toEqual(['nats://nats-eu:4222'])
  expect(edge.http).toMatchObject({ host: '0.0.0.0', port: 8080 })
})

test('files that containers do not have are refused', async () => {
  const withTls = `${config}http: { tls: { cert_file: cert.pem, key_file: key.pem } }\n`
  const release = {
    config: readConfig(withTls, { file: 'config.yaml', env: {} }),
    hasStore: true,
    saysWhoMayCall: true,
    env: {},
  }
  expect(await target.missing([], release)).toEqual([expect.stringMatching(/^http\.tls: containers have no/)])
})

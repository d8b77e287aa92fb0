import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { assignAddresses } from '../src/deploy/addresses.ts'
import { composeFiles } from '../src/deploy/compose/compose-files.ts'
import { untilAllServe } from '../src/deploy/compose/front-state.ts'
import { startCallers } from './support/callers.ts'
import { startCli, type CliProcess } from './support/cli.ts'
import { findOrInstall, program } from './support/debian.ts'
import { eventually } from './support/eventually.ts'
import { freePort } from './support/free-port.ts'
import { installNats } from './support/nats.ts'
import { startPostgres, type PostgresServer } from './support/postgres.ts'

// What the target `compose` writes, where there is no Docker: the programs of its containers read their files, and HAProxy stands
// before two edges of this machine.

const config = `token_buckets: { us: { capacity: 1000, refill_per_sec: 100 }, eu: { capacity: 1000, refill_per_sec: 100 } }\n`

let directory: string
let files: ReadonlyMap<string, string>
let postgres: PostgresServer
let ports: { front: number; edges: readonly [number, number] }
let front: ChildProcess
const edges: CliProcess[] = []

beforeAll(async () => {
  findOrInstall('haproxy', ['haproxy'], () => program('haproxy', '-v'))
  installNats()
  directory = await mkdtemp(join(tmpdir(), 'openclaw-compose-'))
  files = composeFiles({
    name: 'shop',
    addresses: await assignAddresses(directory, ['us', 'eu']),
    edges: [
      { region: 'us', size: 'small' },
      { region: 'eu', size: 'small' },
    ],
    release: { image: 'shop:1', config, env: {}, hasStore: false, hasAuth: false, shutdownTimeoutMs: 10_000 },
  })
  for (const [name, text] of files) await writeFile(join(directory, name), text)
  postgres = await startPostgres()
  ports = { front: await freePort(), edges: [await freePort(), await freePort()] }
  await Promise.all([start(0), start(1)])
  const here = join(directory, 'here.cfg')
  await writeFile(here, onThisMachine(files.get('front-us.cfg')!))
  front = spawn('haproxy', ['-f', here], { stdio: 'ignore' })
  await eventually(() => isReady(ports.front))
  await untilAllServe(frontUrl(), 20_000)
})

afterAll(async () => {
  front.kill('SIGKILL')
  await Promise.all(edges.map((edge) => edge.stop('SIGKILL')))
  await postgres.stop()
  await rm(directory, { recursive: true, force: true })
})

/** With addresses in place of the containers' names, which only Docker resolves. */
function onThisMachine(text: string): string {
  return (
    text
      .replaceAll(
        /edge-us-([01]):8080/g,
        (_, ordinal) => `127.0.0.1:${ports.edges[Number(ordinal) as 0 | 1]}`,
      )
      .replaceAll('resolvers docker init-addr none', '')
      .replace('bind :8080', `bind 127.0.0.1:${ports.front}`)
      // Twice as many open files are more than some machines allow.
      .replace('maxconn 10000', 'maxconn 1000')
  )
}

async function start(ordinal: 0 | 1): Promise<void> {
  const file = join(directory, `edge-${ordinal}.yaml`)
  await writeFile(file, `${config}http: { port: ${ports.edges[ordinal]} }\n`)
  edges[ordinal] = startCli(['serve', '--config', file, '--region', 'us', '--ordinal', String(ordinal)], {
    env: { RATING_DB_URL: postgres.url, OPENCLAW_HASH_KEY: '0123456789abcdef' },
  })
  await eventually(() => isReady(ports.edges[ordinal]))
}

const frontUrl = (): string => `http://127.0.0.1:${ports.front}`

async function isReady(port: number): Promise<void> {
  const { ok, status } = await fetch(`http://127.0.0.1:${port}/ready`, { headers: { connection: 'close' } })
  if (!ok) throw new Error(`status ${status}`)
}

/** Runs a checker. @throws {Error} with what it says if it finds fault. */
function check(name: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(name, args, { cwd: directory, encoding: 'utf8' })
  if (status !== 0) throw new Error(stdout + stderr)
}

test('HAProxy and nats-server take their files', () => {
  for (const region of ['us', 'eu']) {
    expect(() => check('haproxy', '-c', '-f', `front-${region}.cfg`)).not.toThrow()
    expect(() => check('nats-server', '-t', '-c', `nats-${region}.conf`)).not.toThrow()
  }
})

test('edges are replaced one after the other behind HAProxy, and no request fails', async () => {
  const callers = startCallers([frontUrl()], { each: 8, pauseMs: 5 })
  for (const ordinal of [0, 1] as const) {
    expect([await edges[ordinal]!.stop('SIGTERM'), edges[ordinal]!.output()]).toEqual([0, expect.any(String)])
    await start(ordinal)
    await untilAllServe(frontUrl(), 20_000)
  }
  const { failures, answered } = await callers.stop()
  expect(failures).toEqual([])
  expect(answered).toBeGreaterThan(100)
})

test('an edge that is killed costs only what it had under way', async () => {
  const callers = startCallers([frontUrl()], { each: 4, pauseMs: 5 })
  await edges[0]!.stop('SIGKILL')
  await start(0)
  const { failed, answered } = await callers.stop()
  expect(failed).toBeLessThanOrEqual(4)
  expect(answered).toBeGreaterThan(100)
})

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LocalTarget } from '../src/deploy/local/local-target.ts'
import type { SupervisorState } from '../src/deploy/local/supervisor.ts'
import { startCallers } from './support/callers.ts'
import { eventually } from './support/eventually.ts'
import { startPostgres, type PostgresServer } from './support/postgres.ts'
import { installPrometheus } from './support/prometheus.ts'

// The guide's section 7, from an empty folder, word for word but for the names of hosts and of the database.

const regions = ['us-east-1', 'eu-central-1', 'ap-southeast-2'] as const
const image = 'registry.mycompany.com/openclaw-rating:latest'
const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
const commandTimeoutMs = 100_000

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

let home: string
let bin: string
let project: string
let postgres: PostgresServer
let urls: string[]

beforeAll(async () => {
  installPrometheus()
  postgres = await startPostgres()
  home = await mkdtemp(join(tmpdir(), 'openclaw-guide-'))
  bin = join(home, 'bin')
  project = join(home, 'work', 'my-rating-project')
  await mkdir(join(home, 'work'))
  await mkdir(bin)
  for (const name of ['openclaw', 'ubos']) await symlink(main, join(bin, name))
  await symlink(process.execPath, join(bin, 'node'))
})

afterAll(async () => {
  if (existsSync(project)) await shell('ubos destroy --yes')
  await postgres.stop()
  await rm(home, { recursive: true, force: true })
})

/** Runs lines of the guide in the project, as a person at a shell would. */
function shell(script: string, cwd = project): Promise<Ran> {
  const env = {
    HOME: home,
    PATH: `${bin}:${process.env['PATH']}`,
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@b.c',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@b.c',
  }
  return new Promise((resolve) => {
    execFile('sh', ['-ec', script], { cwd, env, timeout: commandTimeoutMs }, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0
      resolve({ code, stdout, stderr })
    })
  })
}

/** Runs lines that have to succeed; answers what they print. */
async function succeed(script: string, cwd?: string): Promise<string> {
  const { code, stdout, stderr } = await shell(script, cwd)
  if (code !== 0) throw new Error(`exit code ${code}: ${script}\n${stderr}`)
  return stdout
}

const get = async (url: string): Promise<string> => (await fetch(url)).text()

async function capacity(url: string): Promise<unknown> {
  const bucket = JSON.parse(await get(`${url}/v1/limits/ratings/buckets/nobody`)) as { capacity?: unknown }
  return bucket.capacity
}

/** Tokens that all regions have consumed since they started. */
async function tokensConsumed(): Promise<number> {
  const pages = await Promise.all(urls.map((url) => get(`${url}/metrics`)))
  const values = pages.map((page) => Number(/^openclaw_tokens_consumed_total\{.*\} (\d+)$/m.exec(page)?.[1]))
  return values.reduce((sum, value) => sum + value, 0)
}

/** What the supervisor says. @throws {Error} if there is none. */
async function state(): Promise<SupervisorState> {
  const answer = await new LocalTarget(project, [process.execPath, main]).state()
  if (!answer) throw new Error('no supervisor answers')
  return answer
}

/** @throws {Error} while no edge serves there. */
async function regionState(number: number): Promise<{ pid: number; restarts: number }> {
  const { pid, restarts } = (await state()).regions[number]!
  if (pid === undefined) throw new Error('no edge serves')
  return { pid, restarts }
}

test('a project is made, and its configuration committed', async () => {
  await succeed(
    'ubos init --template rating-api-edge my-rating-project\ncd my-rating-project\nls token_buckets.yaml',
    join(home, 'work'),
  )
  await succeed('git add token_buckets.yaml\ngit commit -m "Add region-specific token bucket config"')
  expect(await readFile(join(project, 'token_buckets.yaml'), 'utf8')).toContain('capacity: 5000')
})

test('edges are provisioned in three regions', async () => {
  const text = await succeed(`ubos edge provision \\
  --region us-east-1 \\
  --region eu-central-1 \\
  --region ap-southeast-2 \\
  --size medium`)
  urls = regions.map(
    (region) => new RegExp(`^${region} +medium +(http://[\\d.:]+)$`, 'm').exec(text)?.[1] ?? '',
  )
  expect(urls.every((url) => url !== '')).toBe(true)
})

test('the service is deployed, and healthy in each region', async () => {
  const { hostname, port } = new URL(postgres.url)
  await succeed(`ubos deploy \\
  --image ${image} \\
  --config token_buckets.yaml \\
  --env RATING_DB_URL=postgres://postgres:pwd@${hostname}:${port}/postgres`)
  for (const url of urls) expect(await succeed(`curl --silent ${url}/health`)).toBe('{"status":"ok"}')
  for (const url of urls) expect(await get(`${url}/ready`)).toContain('2 of 2 replicas in contact')
  const { stdout } = await shell('cat .openclaw/logs/*')
  expect(stdout).not.toContain('pwd')
})

test('observability is enabled, sees all regions, and takes the alerts', async () => {
  // The usual ports may be another's on this machine.
  const enable = 'ubos observability enable --stack openclaw'
  const text = await succeed(`${enable} --prometheus-port 0 --alertmanager-port 0 --scrape-interval 1s`)
  const [, prometheus] = /Prometheus +(http:\S+)/.exec(text) ?? []
  expect(await succeed('ubos alerts import alerts/openclaw-alerts.yaml')).toMatch(/OpenClawHighLatency/)
  await eventually(async () => {
    const answer = await get(`${prometheus}/api/v1/query?query=openclaw_tokens_consumed_total`)
    expect(regions.filter((region) => !answer.includes(`"region":"${region}"`))).toEqual([])
  })
  expect(await succeed('openclaw status')).toContain('ap-southeast-2')
})

test('a brief load is answered without an error', async () => {
  const { code, stdout } = await shell('openclaw load --rate 20 --duration 3s --ramp 1s --max-errors 0%')
  expect(stdout).toContain('us-east-1')
  expect(code).toBe(0)
})

test('tokens consumed grow with requests, one for one', async () => {
  const before = await tokensConsumed()
  for (const times of [1, 2, 3]) {
    for (const url of urls) {
      for (let call = 0; call < 20; call++) {
        const answer = await fetch(`${url}/rating?user=user-${times}-${call}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{"subject":"coffee","score":5}',
        })
        expect(answer.status).toBe(200)
        await answer.text()
      }
    }
    expect((await tokensConsumed()) - before).toBe(times * urls.length * 20)
  }
})

test('a release is rolled out under load, and no request fails', async () => {
  const yaml = await readFile(join(project, 'token_buckets.yaml'), 'utf8')
  await writeFile(join(project, 'token_buckets.yaml'), yaml.replace('capacity: 5000', 'capacity: 6000'))
  expect(await succeed('openclaw config diff')).toContain('a full bucket: 12000 → 13000 tokens')
  const busy = startCallers(urls, { each: 4, pauseMs: 5 })
  // Their connections are idle most of the time.
  const slow = startCallers(urls, { each: 4, pauseMs: 1000 })
  await succeed(`ubos deploy --image ${image}`)
  const [first, second] = [await busy.stop(), await slow.stop()]
  expect([...first.failures, ...second.failures]).toEqual([])
  expect(first.answered).toBeGreaterThan(500)
  for (const url of urls) expect(await capacity(url)).toBe(13_000)
})

test('a release that does not become healthy changes nothing, and no request fails', async () => {
  const before = await state()
  const callers = startCallers(urls, { each: 4, pauseMs: 5 })
  const { code, stderr } = await shell(
    `ubos deploy --image broken:1 --env RATING_DB_URL=postgres://rating:hidden@127.0.0.1:1/rating`,
  )
  expect(code).toBe(4)
  expect(stderr).toContain('us-east-1/1 ended before it was ready')
  expect(stderr).not.toContain('hidden')
  expect((await callers.stop()).failures).toEqual([])
  expect((await state()).regions).toEqual(before.regions)
})

test('an edge that is killed comes back, and its address answers meanwhile', async () => {
  const before = await regionState(1)
  process.kill(before.pid, 'SIGKILL')
  expect(await get(`${urls[1]}/health`)).toBe('{"status":"ok"}')
  await eventually(async () => {
    const { pid, restarts } = await regionState(1)
    expect(restarts).toBe(1)
    expect(pid).not.toBe(before.pid)
  })
})

test('a rollback puts the first release in force again', async () => {
  expect(await succeed('ubos rollback')).toContain('release 4 is live')
  for (const url of urls) expect(await capacity(url)).toBe(12_000)
  expect(await succeed('openclaw doctor')).toContain('release 4')
  expect(await succeed('openclaw logs --region us-east-1 --lines 1000')).toContain('"msg":"serving"')
})

test('destroy asks where it can, and leaves no process, no port and no file but the project', async () => {
  const { regions: running, servers, pid } = await state()
  expect((await shell('ubos destroy')).code).toBe(2)
  await succeed('ubos destroy --yes')
  const pids = [...running, ...servers, { pid }].map((one) => one.pid!)
  expect(pids.every((one) => one > 0)).toBe(true)
  for (const one of pids) expect(() => process.kill(one, 0)).toThrow(/ESRCH/)
  for (const url of urls) await expect(fetch(`${url}/health`)).rejects.toThrow(/./)
  expect((await readdir(project)).toSorted()).toEqual(
    ['.git', '.gitignore', 'README.md', 'alerts', 'openclaw.yaml', 'token_buckets.yaml'].toSorted(),
  )
})

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LocalTarget } from '../src/deploy/local/local-target.ts'
import type { SupervisorState } from '../src/deploy/local/supervisor.ts'
import { startCallers } from './support/callers.ts'
import { documentedSteps, expectDocumented } from './support/documented-steps.ts'
import { eventually } from './support/eventually.ts'
import { startPostgres, type PostgresServer } from './support/postgres.ts'
import { installPrometheus } from './support/prometheus.ts'

// docs/guide.md from its own text, from an empty folder. It is the guide's section 7, word for word but for the names of hosts.

const regions = ['us-east-1', 'eu-central-1', 'ap-southeast-2'] as const
const documentedUrls = ['http://127.0.0.1:8081', 'http://127.0.0.1:8082', 'http://127.0.0.1:8083'] as const
const documentedStore = 'db.internal:5432/rating'
const steps = documentedSteps(new URL('../docs/guide.md', import.meta.url))
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
/** Of the regions, once they are provisioned; their usual ports may be another's on this machine. */
let urls: string[] = []
const followed = new Set<string>()

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
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
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

/** Runs what the guide says under a heading, and compares what it shows of the output; answers all that was printed. */
async function follow(heading: string, cwd?: string): Promise<Pick<Ran, 'stdout' | 'stderr'>> {
  const all = { stdout: '', stderr: '' }
  for (const { script, output } of steps.filter((step) => step.heading === heading)) {
    const { code, stdout, stderr } = await shell(asHere(script), cwd)
    if (code !== 0) throw new Error(`exit code ${code}: ${script}\n${stdout}${stderr}`)
    const provisioned = [...stdout.matchAll(/^\S+ +medium +(http:\S+)$/gm)].map(([, url]) => url!)
    if (provisioned.length > 0) urls = provisioned
    expectDocumented(asDocumented(stdout), output)
    followed.add(script)
    all.stdout += stdout
    all.stderr += stderr
  }
  return all
}

function asHere(script: string): string {
  const { hostname, port } = new URL(postgres.url)
  const enable = 'observability enable --stack openclaw'
  const here = script
    .replace(documentedStore, `${hostname}:${port}/postgres`)
    .replace('postgres://rating:pwd@127.0.0.1:1', 'postgres://rating:hidden@127.0.0.1:1')
    .replace('postgres://rating:', 'postgres://postgres:')
    .replace(enable, `${enable} --prometheus-port 0 --alertmanager-port 0 --scrape-interval 1s`)
  return documentedUrls.reduce((text, url, region) => text.replaceAll(url, urls[region] ?? url), here)
}

const asDocumented = (printed: string): string =>
  urls.reduce((text, url, region) => text.replaceAll(url, documentedUrls[region]!), printed)

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
  await follow('Make a project', join(home, 'work'))
  await follow('Configure the token buckets')
  expect((await shell('git log --format=%s --name-only')).stdout).toBe(
    'Add region-specific token bucket config\n\ntoken_buckets.yaml\n',
  )
})

test('edges are provisioned in three regions', async () => {
  await follow('Provision edge nodes')
  expect(urls).toHaveLength(regions.length)
})

test('the service is deployed, healthy in each region, and a rating of one is read in another', async () => {
  await follow('Deploy')
  for (const url of urls)
    await eventually(async () => expect(await get(`${url}/ready`)).toContain('2 of 2 replicas in contact'))
  await follow('Verify each region')
  await follow('Rate')
  const { stdout } = await shell('cat .openclaw/logs/*')
  expect(stdout).not.toContain('pwd')
})

test('observability is enabled, sees all regions, and takes the alerts', async () => {
  const { stdout } = await follow('Enable observability')
  const [, prometheus] = /Prometheus +(http:\S+)/.exec(stdout) ?? []
  await eventually(async () => {
    const answer = await get(`${prometheus}/api/v1/query?query=openclaw_tokens_consumed_total`)
    expect(regions.filter((region) => !answer.includes(`"region":"${region}"`))).toEqual([])
  })
})

test('a brief load is answered without an error, and tokens consumed grow with requests, one for one', async () => {
  await follow('Put load on it')
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
  await follow('Verify that it scales')
})

test('a release is rolled out under load, and no request fails', async () => {
  const busy = startCallers(urls, { each: 4, pauseMs: 5 })
  // Their connections are idle most of the time.
  const slow = startCallers(urls, { each: 4, pauseMs: 1000 })
  await follow('Roll out a change')
  const [first, second] = [await busy.stop(), await slow.stop()]
  expect([...first.failures, ...second.failures]).toEqual([])
  expect(first.answered).toBeGreaterThan(500)
  for (const url of urls) expect(await capacity(url)).toBe(13_000)
})

test('a release that does not become healthy changes nothing, and no request fails', async () => {
  const before = await state()
  const callers = startCallers(urls, { each: 4, pauseMs: 5 })
  const { stderr } = await follow('When a release is no good')
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
  await follow('Take a release back')
  for (const url of urls) expect(await capacity(url)).toBe(12_000)
})

test('limits change in all regions without a deploy', async () => {
  await follow('Change limits without a deploy')
  for (const url of urls) await eventually(async () => expect(await capacity(url)).toBe(14_000))
  const { stderr } = await shell('openclaw deploy --image any --dry-run')
  expect(stderr).toContain('note: version 1 of the limits stays in force')
})

test('destroy asks where it can, and leaves no process, no port and no file but the project', async () => {
  const { regions: running, servers, pid } = await state()
  expect((await shell('ubos destroy')).code).toBe(2)
  await follow('Take it all down')
  const pids = [...running, ...servers, { pid }].map((one) => one.pid!)
  expect(pids.every((one) => one > 0)).toBe(true)
  for (const one of pids) expect(() => process.kill(one, 0)).toThrow(/ESRCH/)
  for (const url of urls) await expect(fetch(`${url}/health`)).rejects.toThrow(/./)
  expect((await readdir(project)).toSorted()).toEqual(
    ['.git', '.gitignore', 'README.md', 'alerts', 'openclaw.yaml', 'token_buckets.yaml'].toSorted(),
  )
})

test('nothing that the guide says was left out', () => {
  expect(steps.filter(({ script }) => !followed.has(script))).toEqual([])
})

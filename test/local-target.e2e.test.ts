import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFile, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LocalTarget } from '../src/deploy/local/local-target.ts'
import type { SupervisorState } from '../src/deploy/local/supervisor.ts'
import { Releases } from '../src/deploy/releases.ts'
import { makeAuthority } from './support/certificates.ts'
import { startCli } from './support/cli.ts'
import { eventually } from './support/eventually.ts'
import { installPrometheus } from './support/prometheus.ts'

// A project of one region on this machine, with TLS and API keys.

const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
const keys = { user: newKey(), scraper: newKey() }
let home: string
let project: string
let ca: string
let url: string

function newKey(): string {
  return randomBytes(24).toString('base64url')
}

const sha256 = (key: string): string => createHash('sha256').update(key).digest('hex')

beforeAll(async () => {
  installPrometheus()
  home = await mkdtemp(join(tmpdir(), 'openclaw-local-'))
  // PostgreSQL runs as another user where this is root.
  await chmod(home, 0o755)
  project = join(home, 'project')
  const { caFile, certFile, keyFile } = makeAuthority(home)('edge')
  ca = await readFile(caFile, 'utf8')
  await succeed(['init', '--template', 'rating-api-edge', project], home)
  await writeFile(
    join(project, 'token_buckets.yaml'),
    `token_buckets: { us: { capacity: 1000, refill_per_sec: 100 } }
auth:
  api_keys:
    - { id: user, subject: alice, scopes: [rate, read], sha256: ${sha256(keys.user)} }
    - { id: scraper, subject: prometheus, scopes: [read], sha256: ${sha256(keys.scraper)} }
http: { tls: { cert_file: ${certFile}, key_file: ${keyFile} }, request_timeout: 1m, shutdown_timeout: 1m }
`,
  )
  await writeFile(join(home, 'scraper.key'), keys.scraper)
})

afterAll(async () => {
  await run(['destroy', '--yes'])
  await rm(home, { recursive: true, force: true })
})

async function run(args: string[], cwd = project): Promise<{ code: number | null; output: string }> {
  const command = startCli(args, { cwd, env: { OPENCLAW_API_KEY: keys.user } })
  const code = await command.ended()
  return { code, output: command.output() }
}

/** Runs a command that has to succeed; answers what it prints. */
async function succeed(args: string[], cwd?: string): Promise<string> {
  const { code, output } = await run(args, cwd)
  if (code !== 0) throw new Error(`exit code ${code}: ${args.join(' ')}\n${output}`)
  return output
}

interface Answer {
  readonly status: number
  readonly body: string
}

function open(method: string, path: string, more: Record<string, string> = {}): ClientRequest {
  const headers = { authorization: `Bearer ${keys.user}`, 'content-type': 'application/json', ...more }
  return request(`${url}${path}`, { method, headers, ca, agent: false })
}

async function finish(call: ClientRequest, body?: string): Promise<Answer> {
  call.end(body)
  const [answer] = (await once(call, 'response')) as [IncomingMessage]
  return { status: answer.statusCode!, body: await text(answer) }
}

const rate = (subject: string): Promise<Answer> =>
  finish(open('POST', '/v1/ratings'), JSON.stringify({ subject, score: 5 }))

const read = (subject: string): Promise<Answer> => finish(open('GET', `/v1/subjects/${subject}`))

interface Running {
  readonly supervisor: number
  readonly edge: number
  readonly servers: readonly number[]
}

/** What the supervisor says. @throws {Error} if there is none. */
async function state(): Promise<SupervisorState> {
  const answer = await new LocalTarget(project, [process.execPath, main]).state()
  if (!answer) throw new Error('no supervisor answers')
  return answer
}

/** The processes that run for the project. */
async function running(): Promise<Running> {
  const { pid, regions, servers } = await state()
  return { supervisor: pid, edge: regions[0]!.pid!, servers: servers.map((server) => server.pid) }
}

const ended = (pid: number): Promise<void> =>
  eventually(() => expect(() => process.kill(pid, 0)).toThrow(/ESRCH/))

test('with TLS, provisioning and deploying say https, and that is where callers are answered', async () => {
  const provisioned = await succeed(['edge', 'provision', '--region', 'us', '--size', 'small'])
  url = /^us +small +(https:\/\/127\.0\.0\.1:\d+)$/m.exec(provisioned)?.[1] ?? ''
  expect(await succeed(['deploy', '--image', 'rating:1'])).toContain(`us/0  ${url}/health`)
  expect((await rate('tea')).status).toBe(201)
  expect(await succeed(['doctor'])).toContain(`${url}, restarted 0 times`)
})

test('commands reach the edge once the project names its authority', async () => {
  const refused = await run(['status'])
  expect(refused.code).toBe(1)
  expect(refused.output).toContain('not trusted here: name it by ca_file in openclaw.yaml')
  await appendFile(join(project, 'openclaw.yaml'), 'ca_file: missing.pem\n')
  expect(await run(['status'])).toMatchObject({ code: 2, output: expect.stringMatching(/ca_file: .*ENOENT/) })
  const file = await readFile(join(project, 'openclaw.yaml'), 'utf8')
  await writeFile(join(project, 'openclaw.yaml'), file.replace('missing.pem', '../authority.pem'))
  expect(await succeed(['status'])).toMatch(new RegExp(`us/0 +${url} +ready`))
  const load = ['load', '--rate', '20', '--duration', '1s', '--ramp', '0s', '--max-errors', '50%']
  expect(await succeed(load)).toContain('us')
})

test('Prometheus scrapes the edge over TLS, by an API key', async () => {
  const ports = ['--prometheus-port', '0', '--alertmanager-port', '0', '--scrape-interval', '1s']
  const enable = ['observability', 'enable', '--form', 'local', '--json', ...ports]
  const note = await succeed([...enable, '--credentials-file', join(home, 'scraper.key')])
  const { prometheusUrl } = JSON.parse(note) as { prometheusUrl: string }
  await eventually(async () => {
    const answer = await fetch(`${prometheusUrl}/api/v1/query?query=up`)
    expect(await answer.json()).toMatchObject({
      data: { result: [{ metric: { region: 'us', replica: 'us/0' }, value: [expect.any(Number), '1'] }] },
    })
  })
})

test('when the supervisor is killed, that is said, and a deploy begins anew once its edges have finished', async () => {
  const { supervisor, edge, servers } = await running()
  const call = open('POST', '/v1/ratings', { expect: '100-continue' })
  call.flushHeaders()
  await once(call, 'continue')
  process.kill(supervisor, 'SIGKILL')
  await ended(supervisor)
  expect(await run(['status'])).toMatchObject({
    code: 1,
    output: expect.stringMatching(/us\/0: ECONNREFUSED/),
  })
  expect(await run(['doctor'])).toMatchObject({
    code: 1,
    output: expect.stringMatching(/release 1 was live.* does not run\n.*→ openclaw deploy --image rating:1/),
  })

  const deploy = startCli(['deploy', '--image', 'rating:2'], { cwd: project })
  await deploy.waitFor(/the supervisor starts/)
  await eventually(state)
  expect((await finish(call, '{"subject":"coffee","score":4}')).status).toBe(201)
  expect(await deploy.ended()).toBe(0)
  expect(deploy.output()).toMatch(/supervisor left: the edge us\/0, nats-server of us, PostgreSQL/)
  expect(deploy.output()).toContain(`us/0  ${url}/health`)
  for (const pid of [edge, ...servers]) await ended(pid)
  for (const subject of ['tea', 'coffee']) expect((await read(subject)).body).toContain('"count":1')
})

test('a deploy by another version of the package replaces the supervisor, with the same addresses and data', async () => {
  const before = await running()
  const live = (await new Releases(project).live())!
  const newer = new LocalTarget(project, [process.execPath, main], '99.0.0')
  const told: string[] = []
  await newer.rollOut(live, { readyTimeoutMs: 60_000, onProgress: (line) => told.push(line) })
  expect(told[0]).toMatch(/^the supervisor of version \d+\.\d+\.\d+ ends/)
  for (const pid of [before.supervisor, before.edge, ...before.servers]) await ended(pid)
  expect((await read('tea')).body).toContain('"count":1')
})

test('when all was killed, as by a restart of the machine, a deploy starts all again', async () => {
  const { supervisor, edge, servers } = await running()
  for (const pid of [supervisor, edge, ...servers]) process.kill(pid, 'SIGKILL')
  expect(await succeed(['deploy', '--image', 'rating:3'])).toContain(`us/0  ${url}/health`)
  for (const subject of ['tea', 'coffee']) expect((await read(subject)).body).toContain('"count":1')
  expect((await rate('water')).status).toBe(201)
  const now = await running()
  await succeed(['destroy', '--yes'])
  for (const pid of [now.supervisor, now.edge, ...now.servers, edge, ...servers]) await ended(pid)
})

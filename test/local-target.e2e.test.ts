import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { appendFile, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeAuthority } from './support/certificates.ts'
import { startCli } from './support/cli.ts'
import { eventually } from './support/eventually.ts'
import { installPrometheus } from './support/prometheus.ts'

// A project of one region on this machine, with TLS and API keys.

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
http: { tls: { cert_file: ${certFile}, key_file: ${keyFile} } }
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

async function send(method: string, path: string, body?: unknown): Promise<{ status: number; body: string }> {
  const headers = { authorization: `Bearer ${keys.user}`, 'content-type': 'application/json' }
  const call = request(`${url}${path}`, { method, headers, ca, agent: false })
  call.end(body === undefined ? undefined : JSON.stringify(body))
  const [answer] = (await once(call, 'response')) as [IncomingMessage]
  return { status: answer.statusCode!, body: await text(answer) }
}

test('with TLS, provisioning and deploying say https, and that is where callers are answered', async () => {
  const provisioned = await succeed(['edge', 'provision', '--region', 'us', '--size', 'small'])
  url = /^us +small +(https:\/\/127\.0\.0\.1:\d+)$/m.exec(provisioned)?.[1] ?? ''
  expect(await succeed(['deploy', '--image', 'rating:1'])).toContain(`us/0  ${url}/health`)
  expect((await send('POST', '/v1/ratings', { subject: 'tea', score: 5 })).status).toBe(201)
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
  const load = ['load', '--rate', '20', '--duration', '1s', '--ramp', '0s', '--max-errors', '0%']
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

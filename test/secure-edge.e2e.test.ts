import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { request, type RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeAuthority, type CertificateFiles } from './support/certificates.ts'
import { startCli, type CliProcess } from './support/cli.ts'
import { eventually } from './support/eventually.ts'

const keys = { rater: newKey(), scraper: newKey(), boss: newKey(), next: newKey(), late: newKey() }
let directory: string
let files: CertificateFiles
let ca: string
let edge: CliProcess
let url: string

function newKey(): string {
  return randomBytes(24).toString('base64url')
}

function configuration(apiKeys: string[], { jwt = '', more = '' } = {}): string {
  return `token_buckets: { us: { capacity: 100, refill_per_sec: 1 } }
auth:
  api_keys:
${apiKeys.map((line) => `    - ${line}`).join('\n')}
  ${jwt}
http:
  port: 0
  tls: { cert_file: ${files.certFile}, key_file: ${files.keyFile} }
  address_limit: { capacity: 30, refill_per_sec: 0.001 }
  trusted_proxies: [127.0.0.1]
log: { audit_file: ${join(directory, 'audit', 'audit.jsonl')} }
store: { data_dir: ${join(directory, 'data')} }
${more}`
}

const entry = (id: keyof typeof keys, subject: string, scopes: string): string =>
  `{ id: ${id}, subject: ${subject}, scopes: [${scopes}], sha256: ${createHash('sha256').update(keys[id]).digest('hex')} }`
const first = [
  entry('rater', 'web', 'rate'),
  entry('scraper', 'prometheus', 'read'),
  entry('boss', 'on-call', 'admin'),
]

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openclaw-secure-'))
  files = makeAuthority(directory)('edge')
  ca = await readFile(files.caFile, 'utf8')
  await writeFile(join(directory, 'edge.yaml'), configuration(first))
  edge = startCli(['serve', '--config', join(directory, 'edge.yaml'), '--region', 'us'])
  url = (await edge.waitFor(/"listening":"(https:[^"]+)"/))[1]!
})
afterAll(async () => {
  await edge.stop()
  await rm(directory, { recursive: true, force: true })
})

async function send(
  method: string,
  path: string,
  { key, from = '198.51.100.1', body }: { key?: string; from?: string; body?: unknown } = {},
): Promise<{ status: number; text: string }> {
  const options: RequestOptions = {
    method,
    ca,
    agent: false,
    headers: {
      'x-forwarded-for': from,
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
  }
  const call = request(`${url}${path}`, options).end(body === undefined ? undefined : JSON.stringify(body))
  const [answer] = (await once(call, 'response')) as [IncomingMessage]
  return { status: answer.statusCode!, text: await text(answer) }
}

const take = (key: string, from?: string): ReturnType<typeof send> =>
  send('POST', '/v1/limits/ratings/take', {
    key,
    body: { key: 'alice' },
    ...(from !== undefined && { from }),
  })

test('over TLS a key may do what its scopes say, and metrics need one that may read', async () => {
  expect((await take(keys.rater)).status).toBe(200)
  expect((await take(keys.scraper)).status).toBe(403)
  expect((await send('GET', '/metrics')).status).toBe(401)
  expect((await send('GET', '/metrics', { key: keys.rater })).status).toBe(403)
  expect((await send('GET', '/metrics', { key: keys.scraper })).text).toContain('openclaw_requests_total')
  for (const path of ['/health', '/ready', '/docs', '/openapi.json'])
    expect((await send('GET', path)).status).toBe(200)
})

test('keys rotate without a restart, all or nothing', async () => {
  const second = [entry('next', 'web', 'rate'), ...first]
  await writeFile(join(directory, 'edge.yaml'), configuration(second, { more: 'sync: { interval: 60ms }' }))
  await edge.waitFor(/a change needs a restart; nothing of the file was put in force/)
  expect((await take(keys.next)).status).toBe(401)
  await writeFile(join(directory, 'edge.yaml'), configuration(second))
  await eventually(async () => expect((await take(keys.next, '198.51.100.77')).status).toBe(200))
  expect((await take(keys.rater)).status).toBe(200)
  await writeFile(
    join(directory, 'edge.yaml'),
    configuration(second.filter((line) => !line.includes('id: rater'))),
  )
  await eventually(async () => expect((await take(keys.rater, '198.51.100.78')).status).toBe(401))
  expect((await take(keys.next)).status).toBe(200)
})

test('settings of JWTs change without a restart, all or nothing', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const tokenOf = (issuer: string): Promise<string> =>
    new SignJWT({ scope: 'rate' })
      .setProtectedHeader({ alg: 'ES256' })
      .setSubject('bob')
      .setIssuer(issuer)
      .setAudience('ratings')
      .setExpirationTime('1h')
      .sign(privateKey)
  let addresses = 0
  // Each time from another address, so that none is refused because of it.
  const statusOf = async (key: string): Promise<number> =>
    (await take(key, `10.0.${addresses >> 8}.${addresses++ & 255}`)).status
  const put = (issuer: string): Promise<void> =>
    writeFile(
      join(directory, 'edge.yaml'),
      configuration([...first, entry('late', 'web', 'rate')], {
        jwt: `jwt: { issuer: ${issuer}, audience: ratings, public_key_file: ${join(directory, 'jwt.pem')} }`,
      }),
    )

  await put('one')
  await edge.waitFor(/could not be put in force: PublicKeyError: auth\.jwt\.public_key_file: .*ENOENT/)
  expect(await statusOf(keys.late)).toBe(401)
  await writeFile(join(directory, 'jwt.pem'), publicKey.export({ type: 'spki', format: 'pem' }))
  const [one, two] = [await tokenOf('one'), await tokenOf('two')]
  // The file of the configuration has to change, too.
  await put('two')
  await eventually(async () => expect(await statusOf(two)).toBe(200))
  expect(await statusOf(one)).toBe(401)
  expect(await statusOf(keys.late)).toBe(200)
  await put('one')
  await eventually(async () => expect(await statusOf(one)).toBe(200))
  expect(await statusOf(two)).toBe(401)
})

test('an address that guesses is refused, by what the trusted proxy says, and counted', async () => {
  const statuses = await Promise.all(Array.from({ length: 40 }, () => take('guessed', '203.0.113.9')))
  expect(statuses.filter(({ status }) => status === 429)).toHaveLength(10)
  expect((await take('guessed', '203.0.113.10')).status).toBe(401)
  const { text: metrics } = await send('GET', '/metrics', { key: keys.scraper })
  expect(metrics).toMatch(/openclaw_address_refusals_total\{region="us"\} 10\n/)
})

test('what was changed by hand stands in the audit log, and no key anywhere', async () => {
  await send('DELETE', '/v1/limits/ratings/buckets/alice', { key: keys.boss, from: '198.51.100.9' })
  const lines = (await readFile(join(directory, 'audit', 'audit.jsonl'), 'utf8')).trim().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({
      action: 'bucket.reset',
      who: 'on-call',
      credential: 'boss',
      from: '198.51.100.9',
      region: 'us',
      outcome: 'done',
      time: expect.stringMatching(/Z$/),
      details: expect.objectContaining({ limit: 'ratings', key: 'alice', after: { remaining: 100 } }),
    }),
  ])
  const written = edge.output() + lines.join('\n')
  for (const key of Object.values(keys)) expect(written).not.toContain(key)
})

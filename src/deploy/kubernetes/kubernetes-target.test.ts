import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { parse } from 'yaml'
import { CommandError, type RunCommand } from '../command.ts'
import { readConfig } from '../config-check.ts'
import { ProjectError, type WantedEdge } from '../project.ts'
import { Releases, type Release } from '../releases.ts'
import { RolloutError, type ReleaseNeeds } from '../target.ts'
import { patchedPorts } from './egress.ts'
import { KubernetesTarget } from './kubernetes-target.ts'
import { kubernetesSchema } from './settings.ts'

const settings = kubernetesSchema.parse({
  url: 'https://{region}.api.example.com',
  nats_leaf_url: 'tls://nats.{region}.example.com:7422',
  jetstream_domain: 'hub',
})
const project = `name: shop
target: kubernetes
edges: [{ region: us, size: small }, { region: eu, size: large }]
`
const config =
  'token_buckets: { us: { capacity: 5, refill_per_sec: 1 }, eu: { capacity: 5, refill_per_sec: 1 } }\n'

const complete: ReleaseNeeds = {
  config: readConfig(config, { file: 'config.yaml', env: {} }),
  hasStore: true,
  saysWhoMayCall: true,
  env: {},
}

let directory: string
let releases: Releases
/** What `kubectl` was told, without the directory; a call that matches `failing` fails. */
let told: string[]
let failing: RegExp | undefined
/** The port of the store, and what the region us could connect to each time that an overlay was applied. */
let storePort: number
let open: (readonly number[])[]
/** What `kubectl` says of pods. */
let pods: string
let target: KubernetesTarget

const run: RunCommand = async (program, args) => {
  const line = [program, ...args].join(' ').replaceAll(directory, '')
  told.push(line)
  if (/updateRevision/.test(line)) return '1 1 old'
  if (/ get pods /.test(line)) return pods
  if (/apply -k .*\/us$/.test(line)) {
    open.push(patchedPorts(parse(await readFile(join(args.at(-1)!, 'egress.yaml'), 'utf8'))))
  }
  if (failing?.test(line)) throw new CommandError('it failed')
  return '2 of 2'
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openclaw-kubernetes-'))
  await writeFile(join(directory, 'openclaw.yaml'), project)
  releases = new Releases(directory)
  told = []
  failing = undefined
  storePort = 5432
  open = []
  pods = ''
  target = new KubernetesTarget(directory, settings, run)
})

function release(image: string): Promise<Release> {
  const env = { RATING_DB_URL: `postgres://rating:hidden@db:${storePort}/rating` }
  return releases.create({ image, config, env }, { key: 'k', now: new Date(0) })
}

const rollOut = async (image: string): ReturnType<KubernetesTarget['rollOut']> =>
  target.rollOut(await release(image), { readyTimeoutMs: 90_000, onProgress: () => {} })

const kustomizeDir = (number: number): string => join(releases.directory(number), 'kubernetes')

test('regions follow one after the other, each when the one before is ready', async () => {
  expect(await rollOut('shop:1')).toEqual([
    { replica: 'us/0', url: 'https://us.api.example.com' },
    { replica: 'eu/0', url: 'https://eu.api.example.com' },
  ])
  expect(told.filter((line) => /apply|rollout/.test(line))).toEqual([
    'kubectl --context us -n openclaw apply -k /.openclaw/releases/1/kubernetes/overlays/us',
    'kubectl --context us -n openclaw rollout status statefulset/openclaw-edge --timeout=125s',
    'kubectl --context eu -n openclaw apply -k /.openclaw/releases/1/kubernetes/overlays/eu',
    'kubectl --context eu -n openclaw rollout status statefulset/openclaw-edge --timeout=125s',
  ])
  expect((await releases.live())?.number).toBe(1)
})

test('when a region does not become ready, it and those before it go back', async () => {
  await rollOut('shop:1')
  told = []
  failing = /context eu .* rollout status/
  await expect(rollOut('shop:2')).rejects.toThrow(RolloutError)
  const applied = told.flatMap((line) => /apply -k .*releases\/(.*)/.exec(line)?.[1] ?? [])
  expect(applied).toEqual([
    '2/kubernetes/overlays/us',
    '2/kubernetes/overlays/eu',
    '1/kubernetes/overlays/us',
    '1/kubernetes/overlays/eu',
  ])
  expect((await releases.list()).map(({ status }) => status)).toEqual(['live', 'failed'])
})

test('a region that goes back does not wait for pods that do not start', async () => {
  await rollOut('shop:1')
  told = []
  pods = 'openclaw-edge-0 old True\nopenclaw-edge-1 new False\n'
  failing = /context us .* rollout status/
  await expect(rollOut('shop:2')).rejects.toThrow(RolloutError)
  const steps = told.filter((line) => /apply|delete pod/.test(line)).slice(-2)
  expect(steps).toEqual([
    expect.stringMatching(/releases\/1\/kubernetes/),
    'kubectl --context us -n openclaw delete pod openclaw-edge-1 --ignore-not-found --wait=false',
  ])
})

test('secrets and configurations of other releases go when no pod has them any more', async () => {
  await rollOut('shop:1')
  const steps = told.filter((line) => line.includes('--context us')).slice(-2)
  const removal =
    'kubectl --context us -n openclaw delete configmap,secret -l openclaw/region=us,openclaw/release!=1'
  expect(steps).toEqual([expect.stringMatching(/rollout status/), removal])
  failing = /rollout status|openclaw\/release!=/
  told = []
  await expect(rollOut('shop:2')).rejects.toThrow(RolloutError)
  expect(told.filter((line) => line.includes('delete'))).toEqual([])
  // To leave them is no reason to go back.
  failing = /openclaw\/release!=/
  await rollOut('shop:3')
  expect((await releases.live())?.number).toBe(3)
})

test('while pods are replaced, those before reach their store, too', async () => {
  await rollOut('shop:1')
  storePort = 6432
  await rollOut('shop:2')
  expect(open).toEqual([
    [5432, 7422],
    [5432, 6432, 7422],
    [6432, 7422],
  ])
})

test('when a release goes back, the pods that it replaces reach their store, too', async () => {
  await rollOut('shop:1')
  storePort = 6432
  open = []
  failing = /context us .* rollout status/
  await expect(rollOut('shop:2')).rejects.toThrow(RolloutError)
  expect(open).toEqual([
    [5432, 6432, 7422],
    [5432, 6432, 7422],
  ])
})

test('secrets stand in one file, which its owner only can read, and in no argument', async () => {
  await rollOut('shop:1')
  const file = join(kustomizeDir(1), 'overlays/us/edge.env')
  expect(await readFile(file, 'utf8')).toMatch(
    /^OPENCLAW_HASH_KEY=[0-9a-f]{64}\nRATING_DB_URL=postgres:\/\/rating:hidden@db:5432\/rating\n$/,
  )
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(told.join('\n')).not.toContain('hidden')
})

test('what is missing for a release is said at once', async () => {
  const bare = { ...complete, hasStore: false, saysWhoMayCall: false, env: { A: '1\n2' } }
  expect(await target.missing([], bare)).toHaveLength(3)
  expect(await target.missing([], complete)).toEqual([])
})

test('files that containers do not have are refused, with what to do', async () => {
  const sections = `http: { tls: { cert_file: cert.pem, key_file: key.pem } }
auth: { jwt: { issuer: i, audience: a, public_key_file: key.pem } }
log: { audit_file: /tmp/audit.log }
`
  const withFiles = readConfig(config + sections, { file: 'config.yaml', env: {} })
  expect(await target.missing([], { ...complete, config: withFiles })).toEqual([
    'http.tls: containers have no such files, and are asked by plain HTTP: leave it out, and let what is in front of them end TLS',
    'auth.jwt.public_key_file: containers have no such file: give jwks_url',
    'log.audit_file: containers keep no files: leave it out, and the log has what would be in it',
  ])
})

const edgesIn = (...regions: string[]): WantedEdge[] => regions.map((region) => ({ region, size: 'small' }))

test('a region whose name can stand in no label is refused, before anything is written', async () => {
  const problem =
    'the region "us-" is not allowed on this target, where it is the label of objects; allowed: a name that does not end with -'
  expect(await target.missing(edgesIn('us-', 'eu'), complete)).toEqual([problem])
  await expect(target.provision(edgesIn('us-'))).rejects.toThrow(new ProjectError(problem))
  expect(await readFile(join(directory, 'openclaw.yaml'), 'utf8')).toBe(project)
  expect(await target.missing(edgesIn('0', 'a--b', 'a'.repeat(63)), complete)).toEqual([])
})

test('regions that would replace each other are refused, with what to do, before anything is written', async () => {
  const shared = new KubernetesTarget(directory, { ...settings, context: 'prod' }, run)
  const problem =
    'the regions us, eu would replace each other: openclaw.yaml gives them the same kubernetes.context (prod) and kubernetes.namespace (openclaw); have {region} in one of them, such as namespace: openclaw-{region} if they share a cluster'
  expect(await shared.missing(edgesIn('us', 'eu'), complete)).toEqual([problem])
  expect(await shared.missing(edgesIn('us'), complete)).toEqual([])
  await expect(shared.provision(edgesIn('ap'))).rejects.toThrow(
    new ProjectError(problem.replace('us, eu', 'us, eu, ap')),
  )
  expect(await readFile(join(directory, 'openclaw.yaml'), 'utf8')).toBe(project)
})

test('regions share a cluster in namespaces of their own', async () => {
  const shared = kubernetesSchema.parse({ ...settings, context: 'prod', namespace: 'shop-{region}' })
  target = new KubernetesTarget(directory, shared, run)
  expect(await target.missing(edgesIn('us', 'eu'), complete)).toEqual([])
  await rollOut('shop:1')
  const places = told.map((line) => line.split(' ').slice(1, 5).join(' '))
  expect(new Set(places)).toEqual(new Set(['--context prod -n shop-us', '--context prod -n shop-eu']))
  expect(await target.remains()).toContain('openclaw-edge of eu (namespace shop-eu)')
  failing = /namespace|shop-eu/
  const [, eu] = await target.examine(edgesIn('us', 'eu'))
  expect(eu?.advice).toBe('check: kubectl --context prod -n shop-eu get pods')
})

test('a namespace that a region makes too long is refused', async () => {
  const long = kubernetesSchema.parse({ ...settings, namespace: 'shop-{region}' })
  target = new KubernetesTarget(directory, long, run)
  const region = 'a'.repeat(59)
  expect(await target.missing(edgesIn(region, 'eu'), complete)).toEqual([
    `the namespace "shop-${region}" of the region ${region} is not allowed; allowed: up to 63 small letters, digits or -: shorten kubernetes.namespace of openclaw.yaml`,
  ])
})

test.each(['shop', '{region}', 'shop-{region}', '{region}-0'])('the namespace %s is allowed', (namespace) => {
  expect(kubernetesSchema.parse({ ...settings, namespace }).namespace).toBe(namespace)
})

test.each(['', 'Shop', 'shop-', '-{region}', 'shop_{region}', '{regions}', 'a'.repeat(64)])(
  'the namespace %j is not allowed',
  (namespace) => {
    expect(kubernetesSchema.safeParse({ ...settings, namespace }).success).toBe(false)
  },
)

test('a cluster that is not reached is a finding', async () => {
  failing = /context eu/
  const findings = await target.examine([
    { region: 'us', size: 'small' },
    { region: 'eu', size: 'small' },
  ])
  expect(findings.map(({ state }) => state)).toEqual(['ok', 'problem'])
})

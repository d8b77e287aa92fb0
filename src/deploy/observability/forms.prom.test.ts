import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { installPrometheus, promtool } from '../../../test/support/prometheus.ts'
import { writeComposeStack } from './compose-stack.ts'
import { writeKubernetesStack } from './kubernetes-stack.ts'
import { stackDirectory, writeStackFiles } from './stack-files.ts'

const secretUrl = 'https://hooks.example/s3cret'

interface ComposeService {
  readonly image: string
  readonly network_mode: string
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly volumes: readonly string[]
}

interface Projection {
  readonly name: string
  readonly items: readonly { readonly key: string; readonly path: string }[]
}

interface Volume {
  readonly name: string
  readonly projected?: {
    readonly sources: readonly { readonly configMap?: Projection; readonly secret?: Projection }[]
  }
}

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly data?: Readonly<Record<string, string>>
  readonly stringData?: Readonly<Record<string, string>>
  readonly spec?: {
    readonly selector?: Readonly<Record<string, unknown>>
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> }
      readonly spec: {
        readonly volumes: readonly Volume[]
        readonly containers: readonly { readonly volumeMounts: readonly { readonly name: string }[] }[]
      }
    }
  }
}

let projectDir: string
let credentialsFile: string

beforeAll(async () => {
  installPrometheus()
  projectDir = await mkdtemp(join(tmpdir(), 'openclaw-forms-'))
  credentialsFile = join(projectDir, 'key')
  await writeFile(credentialsFile, 'k3y\n')
})

function amtool(file: string): void {
  const { status, stdout, stderr } = spawnSync('amtool', ['check-config', file], { encoding: 'utf8' })
  expect(`${stdout}${stderr}`).toContain('SUCCESS')
  expect(status).toBe(0)
}

test('Prometheus and Alertmanager take what is written for them', async () => {
  const targetsDir = join(projectDir, '.openclaw', 'targets')
  await writeStackFiles(projectDir, {
    targetsDir,
    alertmanager: '127.0.0.1:9093',
    credentialsFile,
    scrapeIntervalMs: 1000,
    webhookUrl: secretUrl,
  })
  const directory = stackDirectory(projectDir)
  promtool('check', 'config', join(directory, 'prometheus.yml'))
  amtool(join(directory, 'alertmanager.yml'))
  // A webhook's address is often a secret.
  expect((await stat(join(directory, 'alertmanager.yml'))).mode & 0o077).toBe(0)
  expect((await stat(directory)).mode & 0o077).toBe(0)
})

test('the Compose form mounts what is there, and listens on loopback', async () => {
  const file = await writeComposeStack(projectDir, { credentialsFile, caFile: credentialsFile })
  const { services } = parse(await readFile(file, 'utf8')) as { services: Record<string, ComposeService> }
  expect(Object.keys(services)).toEqual(['prometheus', 'alertmanager', 'grafana'])
  for (const { image, network_mode: network, command = [], environment = {}, volumes } of Object.values(
    services,
  )) {
    expect(image).toMatch(/:v?\d+\.\d+\.\d+$/)
    expect(network).toBe('host')
    const listens = [
      ...command.filter((arg) => arg.startsWith('--web.listen')),
      environment['GF_SERVER_HTTP_ADDR'],
    ]
    expect(listens.join(' ')).toContain('127.0.0.1')
    const hosts = volumes.map((volume) => resolve(stackDirectory(projectDir), volume.split(':')[0]!))
    expect(hosts.filter((host) => !existsSync(host))).toEqual([])
    const mounted = volumes.map((volume) => volume.split(':')[1])
    const configFile = command.find((arg) => arg.startsWith('--config.file='))?.slice('--config.file='.length)
    if (configFile !== undefined) expect(mounted).toContain(configFile)
  }
  const { scrape_configs: jobs } = parse(
    await readFile(join(stackDirectory(projectDir), 'prometheus.yml'), 'utf8'),
  ) as { scrape_configs: { tls_config: { ca_file: string } }[] }
  expect(services['prometheus']!.volumes).toContain(`${credentialsFile}:${jobs[0]!.tls_config.ca_file}:ro`)
  expect(existsSync(join(stackDirectory(projectDir), 'grafana', 'dashboards', 'openclaw.json'))).toBe(true)
})

test('the Kubernetes form is whole: what pods mount is in it, secrets are Secrets, and services find their pods', async () => {
  const file = await writeKubernetesStack(projectDir, { credentialsFile, webhookUrl: secretUrl })
  expect((await stat(file)).mode & 0o077).toBe(0)
  const manifests = parseAllDocuments(await readFile(file, 'utf8')).map(
    (document) => (document as { toJS(): unknown }).toJS() as Manifest,
  )
  const servers = manifests.filter(({ kind }) => kind === 'StatefulSet')
  expect(servers.map(({ metadata }) => metadata.name)).toEqual(['prometheus', 'alertmanager', 'grafana'])
  for (const { spec } of servers) {
    const { volumes, containers } = spec!.template!.spec
    const mounted = containers.flatMap(({ volumeMounts }) => volumeMounts.map(({ name }) => name))
    expect(volumes.map(({ name }) => name).filter((name) => !mounted.includes(name))).toEqual([])
    for (const { configMap, secret } of volumes.flatMap(({ projected }) => projected?.sources ?? [])) {
      const { name, items } = (configMap ?? secret)!
      const source = manifests.find(
        ({ kind, metadata }) => metadata.name === name && kind === (secret ? 'Secret' : 'ConfigMap'),
      )
      expect(items.map(({ key }) => key)).toEqual(Object.keys(source?.data ?? source?.stringData ?? {}))
    }
  }
  for (const { metadata, spec } of manifests.filter(({ kind }) => kind === 'Service')) {
    const behind = servers.find((server) => server.metadata.name === metadata.name)
    expect(behind?.spec?.template?.metadata.labels).toMatchObject(spec!.selector!)
  }
  const open = JSON.stringify(manifests.filter(({ kind }) => kind !== 'Secret'))
  expect(open).not.toMatch(/k3y|s3cret/)
  const prometheus = manifests.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'prometheus',
  )
  const config = parse(prometheus!.data!['prometheus.yml']!) as { scrape_configs: Record<string, unknown>[] }
  const [job] = config.scrape_configs
  // Debian's Prometheus can't find pods, and doesn't know the key.
  delete job!['kubernetes_sd_configs']
  job!['authorization'] = { credentials_file: credentialsFile }
  const configFile = join(projectDir, 'kubernetes-prometheus.yml')
  await writeFile(configFile, stringify(config))
  promtool('check', 'config', configFile)
})

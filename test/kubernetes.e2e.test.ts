import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2'
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1'
import type { IStatefulSet } from 'kubernetes-models/apps/v1'
import type { IConfigMap, ISecret, IService, IServiceAccount } from 'kubernetes-models/v1'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import {
  kustomizeFiles,
  overlayOf,
  type KustomizeFiles,
  type KustomizeOptions,
} from '../src/deploy/kubernetes/kustomization.ts'
import { inRegion, kubernetesSchema } from '../src/deploy/kubernetes/settings.ts'
import type { WantedEdge } from '../src/deploy/project.ts'
import { writeKubernetesStack } from '../src/deploy/observability/kubernetes-stack.ts'
import { kubectl } from './support/kubectl.ts'
import { checkObjects, type KubernetesObject } from './support/kubernetes-api.ts'

// Where there is no cluster: kubectl renders what we write, and Kubernetes' API description judges what comes of it.

const app = 'openclaw-edge'
const config = 'token_buckets: { us: { capacity: 5, refill_per_sec: 1 } }\nauth: { mode: off }\n'
/** Values that shells, YAML and Kubernetes each would read in ways of their own. */
const secrets = {
  OPENCLAW_HASH_KEY: '0'.repeat(64),
  RATING_DB_URL: 'postgres://rating:a=b#c%@db/rating',
  QUOTED: `"it's"`,
  SPACES: '  between  ',
  COMMENT: '#no-comment',
  REFERENCES: '$(HOME) $HOME ${HOME}',
  BACKSLASHES: String.raw`a\nb\\`,
  UMLAUT: 'schön',
  NUMBER: '0123',
}
const required = { url: 'https://{region}.example.com', jetstream_domain: 'hub' }

interface Rendered {
  readonly edge: WantedEdge
  readonly objects: readonly KubernetesObject[]
  readonly files: KustomizeFiles
}

interface Case {
  readonly title: string
  readonly options: KustomizeOptions
  readonly image: string
  /** TCP ports that edges connect to. */
  readonly egress: (edge: WantedEdge) => readonly number[]
}

const cases: readonly Case[] = [
  {
    title: 'a release with default settings',
    options: {
      settings: kubernetesSchema.parse({
        ...required,
        nats_leaf_url: 'tls://nats.{region}.example.com:7422',
      }),
      edges: [
        { region: 'us-east-1', size: 'large' },
        { region: 'eu-central-1', size: 'small' },
      ],
      release: {
        number: 7,
        image: 'registry.example.com:5000/shop:1.2',
        config,
        env: secrets,
        shutdownTimeoutMs: 20_000,
        ports: [5432],
      },
    },
    image: 'registry.example.com:5000/shop:1.2',
    egress: () => [5432, 7422],
  },
  {
    title: 'a release with settings of its own, and names that YAML 1.1 takes for something else',
    options: {
      settings: kubernetesSchema.parse({
        ...required,
        nats_leaf_url: 'nats://nats:443',
        nats_leaf_creds_secret: 'leaf',
        nats_leaf_tls_secret: 'leaf-tls',
        context: 'one-{region}',
        namespace: '{region}',
      }),
      edges: ['no', '0b11', '1e3', '012'].map((region): WantedEdge => ({ region, size: 'medium' })),
      release: {
        number: 12,
        image: `shop:1_2@sha256:${'a'.repeat(64)}`,
        config: `${config}http: { shutdown_timeout: 40s }\n`,
        env: { ...secrets, NUMBER: '1' },
        shutdownTimeoutMs: 40_000,
        ports: [8443, 6432, 8443],
      },
      otherPorts: new Map([['no', [4318]]]),
    },
    image: `shop:1_2@sha256:${'a'.repeat(64)}`,
    egress: ({ region }) => (region === 'no' ? [443, 4318, 6432, 8443] : [443, 6432, 8443]),
  },
]

/** What is rendered, as the API describes it. */
interface Kinds {
  readonly ConfigMap: IConfigMap
  readonly HorizontalPodAutoscaler: IHorizontalPodAutoscaler
  readonly NetworkPolicy: INetworkPolicy
  readonly PodDisruptionBudget: IPodDisruptionBudget
  readonly Secret: ISecret
  readonly Service: IService
  readonly ServiceAccount: IServiceAccount
  readonly StatefulSet: IStatefulSet
}
type ObjectOf<Kind extends keyof Kinds> = Kinds[Kind] & KubernetesObject

function isA<Kind extends keyof Kinds>(object: KubernetesObject, kind: Kind): object is ObjectOf<Kind> {
  return object.kind === kind
}

function allOf<Kind extends keyof Kinds>(objects: readonly KubernetesObject[], kind: Kind): ObjectOf<Kind>[] {
  return objects.filter((object) => isA(object, kind))
}

function oneOf<Kind extends keyof Kinds>(objects: readonly KubernetesObject[], kind: Kind): ObjectOf<Kind> {
  const all = allOf(objects, kind)
  expect(all).toHaveLength(1)
  return all[0]!
}

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openclaw-kustomize-'))
})

afterAll(() => rm(directory, { recursive: true, force: true }))

async function kustomize(path: string): Promise<KubernetesObject[]> {
  const documents = parseAllDocuments(await kubectl('kustomize', path), { version: '1.1' })
  return documents
    .map((document) => (document as { toJS(): unknown }).toJS() as KubernetesObject)
    .map((object) => (isA(object, 'Secret') ? unfolded(object) : object))
}

/** Long values of a Secret are written in lines, which their decoder takes no notice of. */
function unfolded({ data, ...secret }: ObjectOf<'Secret'>): KubernetesObject {
  if (data === undefined) return secret
  const values = Object.entries(data).map(([name, value]) => [name, value.replaceAll('\n', '')])
  return { ...secret, data: Object.fromEntries(values) } as KubernetesObject
}

async function render({ options }: Case): Promise<Rendered[]> {
  const root = await mkdtemp(join(directory, 'release-'))
  const files = kustomizeFiles(options)
  for (const [name, text] of files) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text)
  }
  return Promise.all(
    options.edges.map(async (edge) => ({
      edge,
      objects: await kustomize(join(root, overlayOf(edge.region))),
      files,
    })),
  )
}

const podOf = (objects: readonly KubernetesObject[]): NonNullable<IStatefulSet['spec']>['template'] =>
  oneOf(objects, 'StatefulSet').spec!.template

describe.each(cases)('$title', (one) => {
  let rendered: readonly Rendered[]
  const { settings, release } = one.options

  beforeAll(async () => {
    rendered = await render(one)
  })

  test('is what the API of Kubernetes describes', async () => {
    await expect(checkObjects(rendered.flatMap(({ objects }) => objects))).resolves.toBeUndefined()
  })

  test('has all that a region needs, in its namespace, with its label', () => {
    for (const { edge, objects } of rendered) {
      const namespace = inRegion(settings.namespace, edge.region)
      expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`).toSorted()).toEqual([
        expect.stringMatching(/^ConfigMap openclaw-edge-[a-z0-9]{10}$/),
        `HorizontalPodAutoscaler ${app}`,
        `Namespace ${namespace}`,
        `NetworkPolicy ${app}`,
        `PodDisruptionBudget ${app}`,
        expect.stringMatching(/^Secret openclaw-edge-[a-z0-9]{10}$/),
        `Service ${app}`,
        `Service ${app}-pods`,
        `ServiceAccount ${app}`,
        `StatefulSet ${app}`,
      ])
      for (const { kind, metadata } of objects) {
        if (kind !== 'Namespace') expect(metadata.namespace).toBe(namespace)
        expect(metadata.labels).toMatchObject({ 'openclaw/region': edge.region })
      }
    }
  })

  test("has the region's and the release's parts in its pods", () => {
    const resources = {
      small: { requests: { cpu: '500m', memory: '512Mi' }, limits: { memory: '512Mi' } },
      medium: { requests: { cpu: '1000m', memory: '1024Mi' }, limits: { memory: '1024Mi' } },
      large: { requests: { cpu: '2000m', memory: '2048Mi' }, limits: { memory: '2048Mi' } },
    }
    for (const { edge, objects } of rendered) {
      const { metadata } = oneOf(objects, 'StatefulSet')
      expect(metadata.annotations).toEqual({ 'openclaw/release': String(release.number) })
      const { metadata: pod, spec } = podOf(objects)
      expect(pod?.labels).toEqual({ 'app.kubernetes.io/name': app, 'openclaw/region': edge.region })
      const [container] = spec!.containers
      expect(container).toMatchObject({ image: one.image, resources: resources[edge.size] })
      // An argument names variables, which are set, and before it.
      expect(container!.args).toContain('--region=$(OPENCLAW_REGION)')
      expect(container!.args).toContain('--ordinal=$(OPENCLAW_ORDINAL)')
      expect(container!.env).toContainEqual({ name: 'OPENCLAW_REGION', value: edge.region })
      expect(container!.env!.map(({ name }) => name)).toContain('OPENCLAW_ORDINAL')
    }
  })

  test('scales by the processor of the edge itself, of which it can use one core', () => {
    const percents = { small: 70, medium: 70, large: 35 }
    for (const { edge, objects } of rendered) {
      const metrics = oneOf(objects, 'HorizontalPodAutoscaler').spec?.metrics
      const target = { type: 'Utilization', averageUtilization: percents[edge.size] }
      const containerResource = { name: 'cpu', container: podOf(objects).spec!.containers[0]!.name, target }
      expect(metrics).toEqual([{ type: 'ContainerResource', containerResource }])
    }
  })

  test('spreads pods over nodes and zones, and lets a node be drained of one at a time', () => {
    for (const { objects } of rendered) {
      const spread = podOf(objects).spec!.topologySpreadConstraints!
      expect(
        spread.map(({ topologyKey, whenUnsatisfiable }) => `${topologyKey} ${whenUnsatisfiable}`),
      ).toEqual(['kubernetes.io/hostname ScheduleAnyway', 'topology.kubernetes.io/zone ScheduleAnyway'])
      // Pods that serve nobody must not hinder it.
      expect(oneOf(objects, 'PodDisruptionBudget').spec).toMatchObject({
        maxUnavailable: 1,
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
      })
      // Nor what they write, which nobody misses.
      expect(podOf(objects).metadata!.annotations).toEqual({
        'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': 'tmp',
      })
      expect(podOf(objects).spec!.volumes!.flatMap(({ name, emptyDir }) => (emptyDir ? name : []))).toEqual([
        'tmp',
      ])
    }
  })

  test('gives each NATS leaf a name of its own, for a hub keeps one connection of a name only', () => {
    for (const { objects, files, edge } of rendered) {
      expect(files.get(`${overlayOf(edge.region)}/nats.conf`)).toContain('server_name: $SERVER_NAME\n')
      const [nats] = podOf(objects).spec!.initContainers!
      const field = (fieldPath: string): object => ({ valueFrom: { fieldRef: { fieldPath } } })
      // What a variable refers to stands before it.
      expect(nats!.env).toEqual([
        { name: 'POD_NAME', ...field('metadata.name') },
        { name: 'REGION', ...field("metadata.labels['openclaw/region']") },
        { name: 'SERVER_NAME', value: '$(POD_NAME)-$(REGION)' },
      ])
    }
  })

  test('gives what a leaf shows its hub to the leaf alone', () => {
    const { nats_leaf_creds_secret: creds, nats_leaf_tls_secret: tls } = settings
    for (const { objects } of rendered) {
      const { volumes, containers, initContainers } = podOf(objects).spec!
      const secret = volumes!.filter((volume) => volume.secret)
      expect(secret.map((volume) => volume.secret!.secretName)).toEqual([creds, tls].filter(Boolean))
      const names = new Set(secret.map(({ name }) => name))
      const mountsOf = ({ volumeMounts }: (typeof containers)[number]): string[] =>
        volumeMounts!.filter(({ name }) => names.has(name)).map(({ mountPath }) => mountPath)
      expect(containers.flatMap(mountsOf)).toEqual([])
      expect(initContainers!.flatMap(mountsOf)).toEqual(secret.map(({ name }) => `/etc/${name}`))
    }
  })

  test('gives pods the configuration and the secrets by names that change with them', () => {
    for (const { edge, objects, files } of rendered) {
      const { metadata, data } = oneOf(objects, 'ConfigMap')
      const kept = { 'openclaw/release': String(release.number) }
      expect(metadata.labels).toMatchObject(kept)
      expect(oneOf(objects, 'Secret').metadata.labels).toMatchObject(kept)
      const file = (name: string): string | undefined => files.get(`${overlayOf(edge.region)}/${name}`)
      expect(data).toEqual({ 'config.yaml': file('config.yaml'), 'nats.conf': file('nats.conf') })
      const { spec } = podOf(objects)
      expect(spec!.volumes).toContainEqual({ name: 'config', configMap: { name: metadata.name } })
      const mounts = [...spec!.containers, ...spec!.initContainers!].map(({ volumeMounts }) => volumeMounts)
      for (const mounted of mounts) {
        expect(mounted).toContainEqual({ name: 'config', mountPath: '/etc/openclaw', readOnly: true })
      }
      const secret = oneOf(objects, 'Secret').metadata.name
      expect(spec!.containers[0]!.envFrom).toEqual([{ secretRef: { name: secret } }])
    }
  })

  test('keeps secrets as they are, and in the Secret only', () => {
    for (const { objects } of rendered) {
      const kept = Object.entries(oneOf(objects, 'Secret').data!)
      expect(
        Object.fromEntries(kept.map(([name, value]) => [name, Buffer.from(value, 'base64').toString()])),
      ).toEqual(release.env)
      const open = JSON.stringify(objects.filter(({ kind }) => kind !== 'Secret'))
      for (const name of ['OPENCLAW_HASH_KEY', 'RATING_DB_URL'] as const) {
        expect(open).not.toContain(secrets[name])
        expect(open).not.toContain(Buffer.from(secrets[name]).toString('base64'))
      }
    }
  })

  test('selects the pods of the StatefulSet, by labels that stay', () => {
    for (const { objects } of rendered) {
      const { spec, metadata } = oneOf(objects, 'StatefulSet')
      const services = allOf(objects, 'Service')
      const selectors = [
        spec!.selector.matchLabels,
        oneOf(objects, 'PodDisruptionBudget').spec!.selector!.matchLabels,
        oneOf(objects, 'NetworkPolicy').spec!.podSelector!.matchLabels,
        ...services.map((service) => service.spec!.selector),
        ...spec!.template.spec!.topologySpreadConstraints!.map(
          ({ labelSelector }) => labelSelector!.matchLabels,
        ),
      ]
      // A StatefulSet's own can't be changed: no label of a release may be among them.
      for (const selector of selectors) expect(selector).toEqual({ 'app.kubernetes.io/name': app })
      expect(spec!.template.metadata!.labels).toMatchObject(selectors[0]!)
      const scaled = oneOf(objects, 'HorizontalPodAutoscaler').spec?.scaleTargetRef
      expect(scaled).toEqual({ apiVersion: 'apps/v1', kind: 'StatefulSet', name: metadata.name })
      const headless = services.find((service) => service.metadata.name === spec!.serviceName)
      expect(headless?.spec?.clusterIP).toBe('None')
      const account = oneOf(objects, 'ServiceAccount').metadata.name
      expect(spec!.template.spec!.serviceAccountName).toBe(account)
    }
  })

  test('lets pods ask for names, and connect to the ports that they use only', () => {
    for (const { edge, objects } of rendered) {
      const { egress } = oneOf(objects, 'NetworkPolicy').spec!
      expect(egress).toEqual([
        { ports: ['UDP', 'TCP'].map((protocol) => ({ protocol, port: 53 })) },
        { ports: one.egress(edge).map((port) => ({ protocol: 'TCP', port })) },
      ])
    }
  })

  test('asks, serves and admits at ports that containers have', () => {
    for (const { objects } of rendered) {
      const { containers, initContainers } = podOf(objects).spec!
      const ports = [...containers, ...initContainers!].flatMap((container) => container.ports!)
      for (const container of [...containers, ...initContainers!]) {
        const { startupProbe, livenessProbe, readinessProbe, ports: own } = container
        const asked = [startupProbe, livenessProbe, readinessProbe].flatMap((probe) => probe?.httpGet ?? [])
        expect(asked.length).toBeGreaterThanOrEqual(2)
        for (const { port } of asked) expect(own!.map(({ name }) => name)).toContain(port)
      }
      for (const { spec } of allOf(objects, 'Service')) {
        for (const { targetPort } of spec!.ports!) expect(ports.map(({ name }) => name)).toContain(targetPort)
      }
      const { ingress } = oneOf(objects, 'NetworkPolicy').spec!
      const [http] = ports.filter(({ name }) => name === 'http')
      expect(ingress).toEqual([{ ports: [{ protocol: 'TCP', port: http!.containerPort }] }])
    }
  })
})

test('the observability stack is what the API of Kubernetes describes, and kubectl finds nothing twice', async () => {
  const projectDir = await mkdtemp(join(directory, 'project-'))
  const credentialsFile = join(projectDir, 'key')
  // A key that YAML 1.1 reads as a number.
  await writeFile(credentialsFile, '1_234\n')
  const file = await writeKubernetesStack(projectDir, {
    credentialsFile,
    webhookUrl: 'https://hooks.example',
  })
  const kustomization = join(dirname(file), 'kustomization.yaml')
  await writeFile(kustomization, `resources: [${basename(file)}]\n`)
  const objects = await kustomize(dirname(file))
  await checkObjects(objects)
  const credentials = allOf(objects, 'Secret').flatMap(({ stringData }) => stringData!['credentials'] ?? [])
  expect(credentials).toEqual(['1_234'])
})

test('the check notices a value that is wrong, a field that there is not, and a kind that there is not', async () => {
  const budget = { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget', metadata: { name: app } }
  const wrong = (more: object): Promise<void> => checkObjects([{ ...budget, ...more }])
  await wrong({ spec: { maxUnavailable: 1 } })
  await expect(wrong({ spec: { maxUnavailable: {} } })).rejects.toThrow(/maxUnavailable/)
  await expect(wrong({ spec: { maxUnavailabel: 1 } })).rejects.toThrow(/maxUnavailabel/)
  await expect(wrong({ kind: 'Budget' })).rejects.toThrow(/no Budget/)
})

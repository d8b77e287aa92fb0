import { HorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2'
import { NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1'
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1'
import { StatefulSet } from 'kubernetes-models/apps/v1'
import { Service, ServiceAccount } from 'kubernetes-models/v1'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readConfig } from '../config-check.ts'
import { baseManifests, type Manifest } from './base.ts'
import { imageParts, kustomizeFiles } from './kustomization.ts'
import { kubernetesSchema } from './settings.ts'

/** Each validates against the schema of Kubernetes' own API description. */
const kinds = {
  HorizontalPodAutoscaler,
  NetworkPolicy,
  PodDisruptionBudget,
  StatefulSet,
  Service,
  ServiceAccount,
} as Record<string, new (data: never) => { validate(): void }>

const base = baseManifests({ shutdownTimeoutSec: 20 })
const files = kustomizeFiles({
  settings: kubernetesSchema.parse({
    url: 'https://{region}.api.example.com',
    nats_leaf_url: 'tls://nats.{region}.example.com:7422',
    jetstream_domain: 'hub',
  }),
  edges: [{ region: 'us', size: 'large' }],
  release: {
    number: 7,
    image: 'registry.example.com:5000/shop:1.2',
    config: 'token_buckets: { us: { capacity: 5, refill_per_sec: 1 } }\nauth: { mode: off }\n',
    env: { SECRET: 'a=b#c' },
    shutdownTimeoutMs: 20_000,
  },
})
const text = (name: string): string => files.get(name) ?? ''

interface Container {
  readonly name: string
  readonly securityContext: Record<string, unknown>
}
const podSpec = (base.find(({ kind }) => kind === 'StatefulSet') as unknown as StatefulSet).spec!.template
  .spec!

test.each(
  base.map((manifest): [string, Manifest] => [`${manifest.kind} ${manifest.metadata.name}`, manifest]),
)('%s is what the API of Kubernetes describes', (_name, manifest) => {
  const Kind = kinds[manifest.kind]!
  expect(() => new Kind(manifest as never).validate()).not.toThrow()
})

test('the schemas refuse what is wrong', () => {
  const [{ spec }] = base.filter(({ kind }) => kind === 'PodDisruptionBudget') as [Manifest]
  const wrong = { spec: { ...(spec as object), maxUnavailable: {} } }
  expect(() => new PodDisruptionBudget(wrong as never).validate()).toThrow(/maxUnavailable/)
})

test('no container runs as root, writes to its image or gains a right', () => {
  expect(podSpec.securityContext).toMatchObject({
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  })
  const containers = [...podSpec.containers, ...podSpec.initContainers!] as unknown as Container[]
  expect(containers.map(({ name }) => name)).toEqual(['edge', 'nats'])
  for (const { securityContext } of containers) {
    expect(securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
  }
})

test('a pod has the time that its edge needs to end', () => {
  expect(podSpec.terminationGracePeriodSeconds).toBeGreaterThan(20 + 10)
})

test('all resources and files that a kustomization names are there', () => {
  for (const [name, content] of files) {
    if (!name.endsWith('kustomization.yaml')) continue
    const directory = name.replace(/[^/]*$/, '')
    const { resources, patches, configMapGenerator, secretGenerator } = parse(content)
    const named = [
      ...resources,
      ...(patches ?? []).map(({ path }: { path: string }) => path),
      ...(configMapGenerator ?? []).flatMap((one: { files: string[] }) => one.files),
      ...(secretGenerator ?? []).flatMap((one: { envs: string[] }) => one.envs),
    ].filter((one: string) => one !== '../../base')
    expect(named.filter((one) => !files.has(directory + one))).toEqual([])
  }
})

test("a region's overlay has its size, image, configuration and secrets", () => {
  expect(parse(text('overlays/us/kustomization.yaml')).images).toEqual([
    { name: 'openclaw-edge', newName: 'registry.example.com:5000/shop', newTag: '1.2' },
  ])
  expect(parse(text('overlays/us/edge.yaml')).spec.template.spec.containers[0].resources).toEqual({
    requests: { cpu: '2000m', memory: '2048Mi' },
    limits: { memory: '2048Mi' },
  })
  expect(text('overlays/us/edge.env')).toBe('SECRET=a=b#c\n')
  expect(text('overlays/us/nats.conf')).toContain('tls://nats.us.example.com:7422')
  const config = readConfig(text('overlays/us/config.yaml'), { file: 'config.yaml', env: {} })
  expect(config.http.host).toBe('0.0.0.0')
  expect(config.cluster.nats).toMatchObject({ servers: ['nats://127.0.0.1:4222'], jetStreamDomain: 'hub' })
})

test.each([
  ['shop', { newName: 'shop' }],
  ['shop:1', { newName: 'shop', newTag: '1' }],
  ['localhost:5000/shop', { newName: 'localhost:5000/shop' }],
  ['localhost:5000/shop:1', { newName: 'localhost:5000/shop', newTag: '1' }],
  ['shop@sha256:abc', { newName: 'shop', digest: 'sha256:abc' }],
])('the image %s is taken apart', (image, parts) => {
  expect(imageParts(image)).toEqual(parts)
})

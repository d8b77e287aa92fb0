import type { StatefulSet } from 'kubernetes-models/apps/v1'
import { expect, test } from 'vitest'
import { readConfig } from '../config-check.ts'
import { baseManifests } from './base.ts'
import { imageParts, kustomizeFiles } from './kustomization.ts'
import { kubernetesSchema } from './settings.ts'

// What kubectl makes of all this is tested in test/kubernetes.e2e.test.ts.

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
    ports: [5432],
  },
})

interface Container {
  readonly name: string
  readonly securityContext: Record<string, unknown>
}
const podSpec = (base.find(({ kind }) => kind === 'StatefulSet') as unknown as StatefulSet).spec!.template
  .spec!

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

test('edges listen to their cluster, and talk to the leaf beside them, which is joined to the region', () => {
  expect(files.get('overlays/us/nats.conf')).toContain('tls://nats.us.example.com:7422')
  const config = readConfig(files.get('overlays/us/config.yaml') ?? '', { file: 'config.yaml', env: {} })
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

import { edgeYaml } from '../edge-yaml.ts'
import type { EdgeEnvironment } from '../environment.ts'
import type { WantedEdge } from '../project.ts'
import { sizes } from '../sizes.ts'
import {
  appName,
  autoscalerMetrics,
  baseManifests,
  edgeContainer,
  httpPort,
  imagePlaceholder,
  manifestYaml,
  natsPort,
  regionLabel,
  releaseLabel,
  type Manifest,
} from './base.ts'
import { egressPatch, leafPort } from './egress.ts'
import { leafConfig, leafSecretsPatch } from './nats-leaf.ts'
import { inRegion, type KubernetesSettings } from './settings.ts'

/** Files by their path below the directory that `kubectl` is given an overlay of. */
export type KustomizeFiles = ReadonlyMap<string, string>

export interface KustomizeOptions {
  readonly settings: KubernetesSettings
  readonly edges: readonly WantedEdge[]
  readonly release: {
    readonly number: number
    readonly image: string
    /** The configuration, valid. */
    readonly config: string
    readonly env: EdgeEnvironment
    readonly shutdownTimeoutMs: number
    /** TCP ports that its edges connect to. */
    readonly ports: readonly number[]
  }
  /** Ports that pods of another release connect to, which are replaced: by region. */
  readonly otherPorts?: ReadonlyMap<string, readonly number[]>
}

/** The overlay of a region. */
export function overlayOf(region: string): string {
  return `overlays/${region}`
}

/** The part of an overlay that says which ports its edges connect to. */
export function egressFileOf(region: string): string {
  return `${overlayOf(region)}/egress.yaml`
}

/** A base that is the same everywhere, and an overlay for each region. Only `edge.env` of each overlay holds secrets. */
export function kustomizeFiles({ settings, edges, release, otherPorts }: KustomizeOptions): KustomizeFiles {
  const base = baseManifests({ shutdownTimeoutSec: Math.ceil(release.shutdownTimeoutMs / 1000) })
  const files = new Map<string, string>()
  for (const manifest of base) files.set(`base/${fileOf(manifest)}`, manifestYaml(manifest))
  files.set('base/kustomization.yaml', manifestYaml({ ...kustomization, resources: base.map(fileOf) }))
  for (const edge of edges) {
    for (const [name, text] of overlay(edge, settings, release))
      files.set(`${overlayOf(edge.region)}/${name}`, text)
    const leaf = leafPort(inRegion(settings.nats_leaf_url, edge.region))
    const egress = egressPatch([leaf, ...release.ports, ...(otherPorts?.get(edge.region) ?? [])])
    files.set(egressFileOf(edge.region), manifestYaml(egress))
  }
  return files
}

const kustomization = { apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization' }

function overlay(
  { region, size }: WantedEdge,
  settings: KubernetesSettings,
  release: KustomizeOptions['release'],
): [string, string][] {
  const { cpus, memoryMiB } = sizes[size]
  const memory = `${memoryMiB}Mi`
  const namespace = inRegion(settings.namespace, region)
  const patch = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: appName, annotations: { [releaseLabel]: String(release.number) } },
    spec: {
      template: {
        spec: {
          ...leafSecretsPatch(settings),
          containers: [
            {
              name: edgeContainer,
              env: [{ name: 'OPENCLAW_REGION', value: region }],
              // No bound on the processor: a throttled edge is late with everything.
              resources: { requests: { cpu: `${cpus * 1000}m`, memory }, limits: { memory } },
            },
          ],
        },
      },
    },
  }
  const config = edgeYaml(release.config, [
    [['http', 'host'], '0.0.0.0'],
    [['http', 'port'], httpPort],
    [
      ['cluster', 'nats'],
      { servers: [`nats://127.0.0.1:${natsPort}`], jetstream_domain: settings.jetstream_domain },
    ],
  ])
  return [
    [
      'kustomization.yaml',
      manifestYaml({
        ...kustomization,
        namespace,
        resources: ['namespace.yaml', '../../base'],
        labels: [{ pairs: { [regionLabel]: region }, includeTemplates: true }],
        images: [{ name: imagePlaceholder, ...imageParts(release.image) }],
        generatorOptions: { labels: { [releaseLabel]: String(release.number) } },
        configMapGenerator: [{ name: appName, files: ['config.yaml', 'nats.conf'] }],
        secretGenerator: [{ name: appName, envs: ['edge.env'] }],
        patches: [
          { path: 'edge.yaml' },
          { path: 'autoscaler.yaml' },
          { path: 'egress.yaml', target: { kind: 'NetworkPolicy', name: appName } },
        ],
      }),
    ],
    ['namespace.yaml', manifestYaml({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })],
    ['edge.yaml', manifestYaml(patch)],
    ['autoscaler.yaml', manifestYaml(autoscalerPatch(cpus))],
    ['config.yaml', config],
    ['nats.conf', leafConfig(inRegion(settings.nats_leaf_url, region), settings)],
    ['edge.env', envFile(release.env)],
  ]
}

function autoscalerPatch(cpus: number): Manifest {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: appName },
    spec: { metrics: autoscalerMetrics(cpus) },
  }
}

function fileOf({ kind, metadata }: Manifest): string {
  return `${kind.toLowerCase()}-${metadata.name}.yaml`
}

/** `registry:5000/name:tag`, `name@sha256:…`: a colon before the last slash belongs to a port. */
export function imageParts(image: string): { newName: string; newTag?: string; digest?: string } {
  const at = image.indexOf('@')
  if (at >= 0) return { newName: image.slice(0, at), digest: image.slice(at + 1) }
  const colon = image.lastIndexOf(':')
  if (colon <= image.lastIndexOf('/')) return { newName: image }
  return { newName: image.slice(0, colon), newTag: image.slice(colon + 1) }
}

/** A value can't hold a line break there, which `missing` of the target has refused before. */
function envFile(env: EdgeEnvironment): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

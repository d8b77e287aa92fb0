import { stringify } from 'yaml'

/** Kubernetes objects as plain data, of the shape that its API has. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly [field: string]: unknown
}

/** A part of one. */
type Part = Readonly<Record<string, unknown>>

/**
 * As YAML in which texts are texts for Kubernetes, too: it reads YAML 1.1, to which `no` is a boolean and `1_234` a number.
 */
export function manifestYaml(manifest: object): string {
  return stringify(manifest, { compat: 'yaml-1.1' })
}

export const appName = 'openclaw-edge'
/** Overlays put it on all objects and pods. */
export const regionLabel = 'openclaw/region'
/** Says the release, on the StatefulSet as an annotation, for a new label would have its pods replaced. */
export const releaseLabel = 'openclaw/release'
export const edgeContainer = 'edge'
export const natsContainer = 'nats'
/** Replaced by the release's image in each overlay. */
export const imagePlaceholder = 'openclaw-edge'
const natsImage = 'nats:2.11-alpine'
export const httpPort = 8080
export const natsPort = 4222
export const natsMonitorPort = 8222
/** The user `node` of the image. */
const edgeUser = 1000
const replicasMin = 2
const replicasMax = 6
/** Of a core. An edge runs on one: more that it asks for is for what runs beside it, such as the collector of garbage. */
const corePercent = 70
/** Until every proxy knows that a pod goes, new requests still come to it. */
const preStopSec = 5
/** How long a pod has to be ready before the next is replaced. */
const minReadySec = 5

const tmpVolume = 'tmp'
const labels = { 'app.kubernetes.io/name': appName }

const hardened = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
}

/** What is the same in all regions. */
export function baseManifests(options: { readonly shutdownTimeoutSec: number }): readonly Manifest[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: appName, labels },
      automountServiceAccountToken: false,
    },
    service(appName, { ports: [{ name: 'http', port: 80, targetPort: 'http' }] }),
    // Gives pods their names; ready or not, for they find each other by NATS.
    service(`${appName}-pods`, {
      clusterIP: 'None',
      publishNotReadyAddresses: true,
      ports: [{ name: 'http', port: httpPort, targetPort: 'http' }],
    }),
    statefulSet(options.shutdownTimeoutSec),
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: appName, labels },
      // A pod that does not start serves nobody, and must not keep a node from being drained.
      spec: {
        maxUnavailable: 1,
        unhealthyPodEvictionPolicy: 'AlwaysAllow',
        selector: { matchLabels: labels },
      },
    },
    autoscaler(),
    networkPolicy(),
  ]
}

function service(name: string, spec: Part): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels },
    spec: { selector: labels, ...spec },
  }
}

/**
 * How many there are is the autoscaler's affair. Pods keep their numbers, which are the replicas' ordinals, and are replaced one at a time, each
 * when the one before is ready.
 */
function statefulSet(shutdownTimeoutSec: number): Manifest {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: appName, labels },
    spec: {
      serviceName: `${appName}-pods`,
      selector: { matchLabels: labels },
      podManagementPolicy: 'OrderedReady',
      updateStrategy: { type: 'RollingUpdate' },
      minReadySeconds: minReadySec,
      template: {
        // Or the autoscaler of nodes would keep a node for the sake of what lies in /tmp.
        metadata: {
          labels,
          annotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes': tmpVolume },
        },
        spec: {
          serviceAccountName: appName,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: graceSec(shutdownTimeoutSec),
          securityContext: {
            runAsNonRoot: true,
            runAsUser: edgeUser,
            runAsGroup: edgeUser,
            fsGroup: edgeUser,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          topologySpreadConstraints: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map(
            spreadOver,
          ),
          initContainers: [natsSidecar()],
          containers: [edge()],
          volumes: [
            { name: 'config', configMap: { name: appName } },
            { name: tmpVolume, emptyDir: { sizeLimit: '64Mi' } },
          ],
        },
      },
    },
  }
}

/** If it can be: a cluster to try things out may have one node only. */
function spreadOver(topologyKey: string): Part {
  return {
    maxSkew: 1,
    topologyKey,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: labels },
  }
}

/** How long a pod may take to end: proxies turn away, requests and the last ratings are finished, the sidecar ends. */
function graceSec(shutdownTimeoutSec: number): number {
  return preStopSec + shutdownTimeoutSec + 15
}

/** How long it may take until another is in the place of a pod, and the next can be replaced. */
export function replacementSec(times: { shutdownTimeoutSec: number; readyTimeoutSec: number }): number {
  return graceSec(times.shutdownTimeoutSec) + times.readyTimeoutSec + minReadySec
}

function edge(): Part {
  return {
    name: edgeContainer,
    image: imagePlaceholder,
    args: [
      'serve',
      '--config=/etc/openclaw/config.yaml',
      '--region=$(OPENCLAW_REGION)',
      '--ordinal=$(OPENCLAW_ORDINAL)',
    ],
    env: [
      {
        name: 'OPENCLAW_ORDINAL',
        valueFrom: { fieldRef: { fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']" } },
      },
    ],
    envFrom: [{ secretRef: { name: appName } }],
    ports: [{ name: 'http', containerPort: httpPort }],
    startupProbe: { ...probe('/health'), periodSeconds: 1, failureThreshold: 60 },
    livenessProbe: { ...probe('/health'), periodSeconds: 10, failureThreshold: 3 },
    readinessProbe: { ...probe('/ready'), periodSeconds: 2, failureThreshold: 2 },
    lifecycle: { preStop: { sleep: { seconds: preStopSec } } },
    securityContext: hardened,
    volumeMounts: [
      { name: 'config', mountPath: '/etc/openclaw', readOnly: true },
      { name: tmpVolume, mountPath: '/tmp' },
    ],
  }
}

function probe(path: string): Part {
  return { httpGet: { path, port: 'http' }, timeoutSeconds: 3 }
}

/** A leaf of the region's NATS beside each edge. As a sidecar it is there before the edge starts, and until that has ended. */
function natsSidecar(): Part {
  return {
    name: natsContainer,
    image: natsImage,
    restartPolicy: 'Always',
    args: ['--config', '/etc/openclaw/nats.conf'],
    // Pods have the same names in every region; a hub would have one leaf of a name take the other's place, again and again.
    env: [
      { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'REGION', valueFrom: { fieldRef: { fieldPath: `metadata.labels['${regionLabel}']` } } },
      { name: 'SERVER_NAME', value: '$(POD_NAME)-$(REGION)' },
    ],
    ports: [{ name: 'nats-monitor', containerPort: natsMonitorPort }],
    startupProbe: {
      httpGet: { path: '/healthz', port: 'nats-monitor' },
      periodSeconds: 1,
      failureThreshold: 60,
    },
    livenessProbe: { httpGet: { path: '/healthz', port: 'nats-monitor' }, periodSeconds: 10 },
    resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '128Mi' } },
    securityContext: hardened,
    volumeMounts: [{ name: 'config', mountPath: '/etc/openclaw', readOnly: true }],
  }
}

function autoscaler(): Manifest {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: appName, labels },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'StatefulSet', name: appName },
      minReplicas: replicasMin,
      maxReplicas: replicasMax,
      metrics: autoscalerMetrics(1),
      // A replica that goes takes its leases with it: not at every lull.
      behavior: { scaleDown: { stabilizationWindowSeconds: 600 } },
    },
  }
}

/** By the edge alone, without its sidecar: what it uses of the processors that it asks for. */
export function autoscalerMetrics(cpus: number): readonly Part[] {
  const averageUtilization = Math.round(corePercent / Math.max(1, cpus))
  const target = { type: 'Utilization', averageUtilization }
  return [{ type: 'ContainerResource', containerResource: { name: 'cpu', container: edgeContainer, target } }]
}

/** Callers reach the API, and edges reach names; what else a release reaches, its overlays add. */
function networkPolicy(): Manifest {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: appName, labels },
    spec: {
      podSelector: { matchLabels: labels },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{ ports: [tcp(httpPort)] }],
      egress: [{ ports: [{ protocol: 'UDP', port: 53 }, tcp(53)] }],
    },
  }
}

function tcp(port: number): Part {
  return { protocol: 'TCP', port }
}

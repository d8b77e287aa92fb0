import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { manifestYaml } from '../kubernetes/base.ts'
import { observabilityFolder } from './assets.ts'
import { alertmanagerConfig, prometheusConfig } from './configuration.ts'
import { grafanaDashboards, grafanaDatasource, grafanaEnvironment, images } from './grafana.ts'
import { replaceFile, stackDirectory, type StackSettings } from './stack-files.ts'

const namespace = 'openclaw-observability'
const configPath = '/etc/prometheus'
const dashboardsPath = '/var/lib/grafana/dashboards'

/** Edges are the pods that say so, by these labels, at their port `http`. */
const discovery = {
  kubernetes_sd_configs: [
    { role: 'pod', selectors: [{ role: 'pod', label: 'app.kubernetes.io/name=openclaw-edge' }] },
  ],
  relabel_configs: [
    { source_labels: ['__meta_kubernetes_pod_container_port_name'], regex: 'http', action: 'keep' },
    { source_labels: ['__meta_kubernetes_pod_label_openclaw_region'], target_label: 'region' },
    { source_labels: ['__meta_kubernetes_pod_name'], target_label: 'pod' },
  ],
}

type Manifest = Record<string, unknown>

/** Writes the stack as Kubernetes manifests, with the product's alerts; answers the file. */
export async function writeKubernetesStack(projectDir: string, settings: StackSettings): Promise<string> {
  const { credentialsFile } = settings
  const assets = observabilityFolder()
  const prometheus = await prometheusConfig({
    ...settings,
    credentialsFile: credentialsFile && `${configPath}/credentials`,
    // It asks pods, by plain HTTP: TLS is their ingress's affair.
    caFile: undefined,
    discovery,
    alertmanager: 'alertmanager:9093',
  })
  const [rules, alerts, dashboards] = await Promise.all(
    ['rules', 'alerts', 'dashboards'].map((folder) => filesIn(join(assets, folder))),
  )
  const manifests = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    ...access(),
    ...prometheusServer([
      { kind: 'ConfigMap', name: 'prometheus', files: { 'prometheus.yml': prometheus } },
      { kind: 'ConfigMap', name: 'prometheus-rules', folder: 'rules', files: rules! },
      { kind: 'ConfigMap', name: 'prometheus-alerts', folder: 'alerts', files: alerts! },
      ...(credentialsFile === undefined ? [] : [await credentialsSource(credentialsFile)]),
    ]),
    ...alertmanagerServer({ 'alertmanager.yml': await alertmanagerConfig(settings) }),
    ...grafanaServer(dashboards!),
  ]
  await mkdir(stackDirectory(projectDir), { recursive: true, mode: 0o700 })
  const file = join(stackDirectory(projectDir), 'kubernetes.yaml')
  await replaceFile(file, manifests.map(manifestYaml).join('---\n'))
  return file
}

/** What Prometheus needs to find pods. */
function access(): Manifest[] {
  const name = 'openclaw-prometheus'
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'prometheus', namespace } },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name },
      rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch'] }],
    },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name: 'prometheus', namespace }],
    },
  ]
}

async function credentialsSource(file: string): Promise<Source> {
  const credentials = (await readFile(file, 'utf8')).trim()
  return { kind: 'Secret', name: 'prometheus-credentials', files: { credentials } }
}

function prometheusServer(sources: readonly Source[]): Manifest[] {
  return server({
    name: 'prometheus',
    image: images.prometheus,
    port: 9090,
    uid: 65_534,
    args: [
      `--config.file=${configPath}/prometheus.yml`,
      '--storage.tsdb.path=/prometheus',
      '--enable-feature=auto-reload-config',
    ],
    mounts: [{ path: configPath, sources }],
    dataPath: '/prometheus',
    dataSize: '20Gi',
    memory: '1Gi',
    readyPath: '/-/ready',
    serviceAccount: 'prometheus',
  })
}

function alertmanagerServer(files: Files): Manifest[] {
  return server({
    name: 'alertmanager',
    image: images.alertmanager,
    port: 9093,
    uid: 65_534,
    args: [
      '--config.file=/etc/alertmanager/alertmanager.yml',
      '--storage.path=/alertmanager',
      '--cluster.listen-address=',
    ],
    // Where alerts are sent to is often secret.
    mounts: [{ path: '/etc/alertmanager', sources: [{ kind: 'Secret', name: 'alertmanager', files }] }],
    dataPath: '/alertmanager',
    dataSize: '1Gi',
    memory: '128Mi',
    readyPath: '/-/ready',
  })
}

function grafanaServer(dashboards: Files): Manifest[] {
  const datasources = { 'openclaw.yaml': grafanaDatasource('http://prometheus:9090') }
  const providers = { 'openclaw.yaml': grafanaDashboards(dashboardsPath) }
  return server({
    name: 'grafana',
    image: images.grafana,
    port: 3000,
    uid: 472,
    env: grafanaEnvironment,
    mounts: [
      {
        path: '/etc/grafana/provisioning',
        sources: [
          { kind: 'ConfigMap', name: 'grafana-datasources', folder: 'datasources', files: datasources },
          { kind: 'ConfigMap', name: 'grafana-providers', folder: 'dashboards', files: providers },
        ],
      },
      {
        path: dashboardsPath,
        sources: [{ kind: 'ConfigMap', name: 'grafana-dashboards', files: dashboards }],
      },
    ],
    dataPath: '/var/lib/grafana',
    dataSize: '1Gi',
    memory: '256Mi',
    readyPath: '/api/health',
  })
}

/** Texts by file name. */
type Files = Readonly<Record<string, string>>

/** Files of a mount, in a folder of it if need be. */
interface Source {
  readonly kind: 'ConfigMap' | 'Secret'
  readonly name: string
  readonly folder?: string
  readonly files: Files
}

interface ServerSpec {
  readonly name: string
  readonly image: string
  readonly port: number
  readonly uid: number
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly mounts: readonly { readonly path: string; readonly sources: readonly Source[] }[]
  readonly dataPath: string
  readonly dataSize: string
  readonly memory: string
  readonly readyPath: string
  readonly serviceAccount?: string
}

/** A service, the one pod with a volume of its own behind it, and what that mounts. */
function server(spec: ServerSpec): Manifest[] {
  const { name, port, mounts } = spec
  const labels = { 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'openclaw' }
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels },
    spec: { selector: labels, ports: [{ name: 'http', port, targetPort: 'http' }] },
  }
  const statefulSet = {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name, namespace, labels },
    spec: {
      replicas: 1,
      serviceName: name,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: podOf(spec) },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: spec.dataSize } } },
        },
      ],
    },
  }
  return [...mounts.flatMap(({ sources }) => sources.map(sourceManifest)), service, statefulSet]
}

function podOf({ uid, serviceAccount, mounts, ...spec }: ServerSpec): Manifest {
  const { name, image, args, env = {}, port, memory, dataPath, readyPath } = spec
  return {
    ...(serviceAccount === undefined
      ? { automountServiceAccountToken: false }
      : { serviceAccountName: serviceAccount }),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: uid,
      fsGroup: uid,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [
      {
        name,
        image,
        ...(args && { args }),
        env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
        ports: [{ name: 'http', containerPort: port }],
        readinessProbe: { httpGet: { path: readyPath, port: 'http' } },
        resources: { requests: { cpu: '100m', memory }, limits: { memory } },
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        volumeMounts: [
          ...mounts.map(({ path }, at) => ({ name: `config-${at}`, mountPath: path, readOnly: true })),
          { name: 'data', mountPath: dataPath },
          { name: 'tmp', mountPath: '/tmp' },
        ],
      },
    ],
    volumes: [
      // Projected, because no volume can be mounted inside of a read-only one.
      ...mounts.map(({ sources }, at) => ({
        name: `config-${at}`,
        projected: { sources: sources.map(projection) },
      })),
      { name: 'tmp', emptyDir: {} },
    ],
  }
}

function sourceManifest({ kind, name, files }: Source): Manifest {
  const data = kind === 'Secret' ? { stringData: files } : { data: files }
  return { apiVersion: 'v1', kind, metadata: { name, namespace }, ...data }
}

function projection({ kind, name, folder, files }: Source): Manifest {
  const items = Object.keys(files).map((key) => ({
    key,
    path: folder === undefined ? key : `${folder}/${key}`,
  }))
  return { [kind === 'Secret' ? 'secret' : 'configMap']: { name, items } }
}

/** The texts of a folder's files, by name. */
async function filesIn(folder: string): Promise<Files> {
  const names = (await readdir(folder)).toSorted()
  const texts = await Promise.all(
    names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const),
  )
  return Object.fromEntries(texts)
}

import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { observabilityFolder } from './assets.ts'
import { alertmanagerConfig, prometheusConfig } from './configuration.ts'
import { grafanaDashboards, grafanaDatasource, grafanaEnvironment, images } from './grafana.ts'
import { replaceFile, stackDirectory, type StackSettings } from './stack-files.ts'

const namespace = 'openclaw-observability'
const credentialsPath = '/etc/prometheus/credentials'
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
    credentialsFile: credentialsFile && `${credentialsPath}/credentials`,
    discovery,
    alertmanager: 'alertmanager:9093',
  })
  const manifests = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    ...access(),
    configMap('prometheus', { 'prometheus.yml': prometheus }),
    configMap('prometheus-rules', await filesIn(join(assets, 'rules'))),
    configMap('prometheus-alerts', await filesIn(join(assets, 'alerts'))),
    secret('alertmanager', { 'alertmanager.yml': await alertmanagerConfig(settings) }),
    ...(credentialsFile === undefined
      ? []
      : [
          secret('prometheus-credentials', { credentials: (await readFile(credentialsFile, 'utf8')).trim() }),
        ]),
    configMap('grafana-datasources', { 'openclaw.yaml': grafanaDatasource('http://prometheus:9090') }),
    configMap('grafana-providers', { 'openclaw.yaml': grafanaDashboards(dashboardsPath) }),
    configMap('grafana-dashboards', await filesIn(join(assets, 'dashboards'))),
    ...prometheusServer(credentialsFile !== undefined),
    ...alertmanagerServer(),
    ...grafanaServer(),
  ]
  await mkdir(stackDirectory(projectDir), { recursive: true, mode: 0o700 })
  const file = join(stackDirectory(projectDir), 'kubernetes.yaml')
  await replaceFile(file, manifests.map((manifest) => stringify(manifest)).join('---\n'))
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

function prometheusServer(hasCredentials: boolean): Manifest[] {
  return server({
    name: 'prometheus',
    image: images.prometheus,
    port: 9090,
    uid: 65_534,
    args: [
      '--config.file=/etc/prometheus/prometheus.yml',
      '--storage.tsdb.path=/prometheus',
      '--enable-feature=auto-reload-config',
    ],
    mounts: [
      { path: '/etc/prometheus', configMap: 'prometheus' },
      { path: '/etc/prometheus/rules', configMap: 'prometheus-rules' },
      { path: '/etc/prometheus/alerts', configMap: 'prometheus-alerts' },
      ...(hasCredentials ? [{ path: credentialsPath, secret: 'prometheus-credentials' }] : []),
    ],
    dataPath: '/prometheus',
    dataSize: '20Gi',
    memory: '1Gi',
    readyPath: '/-/ready',
    serviceAccount: 'prometheus',
  })
}

function alertmanagerServer(): Manifest[] {
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
    mounts: [{ path: '/etc/alertmanager', secret: 'alertmanager' }],
    dataPath: '/alertmanager',
    dataSize: '1Gi',
    memory: '128Mi',
    readyPath: '/-/ready',
  })
}

function grafanaServer(): Manifest[] {
  return server({
    name: 'grafana',
    image: images.grafana,
    port: 3000,
    uid: 472,
    env: grafanaEnvironment,
    mounts: [
      { path: '/etc/grafana/provisioning/datasources', configMap: 'grafana-datasources' },
      { path: '/etc/grafana/provisioning/dashboards', configMap: 'grafana-providers' },
      { path: dashboardsPath, configMap: 'grafana-dashboards' },
    ],
    dataPath: '/var/lib/grafana',
    dataSize: '1Gi',
    memory: '256Mi',
    readyPath: '/api/health',
  })
}

interface ServerSpec {
  readonly name: string
  readonly image: string
  readonly port: number
  readonly uid: number
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly mounts: readonly { readonly path: string; readonly configMap?: string; readonly secret?: string }[]
  readonly dataPath: string
  readonly dataSize: string
  readonly memory: string
  readonly readyPath: string
  readonly serviceAccount?: string
}

/** A service, and the one pod with a volume of its own behind it. */
function server(spec: ServerSpec): Manifest[] {
  const { name, port } = spec
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
  return [service, statefulSet]
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
      ...mounts.map(({ configMap: map, secret: secretName }, at) => ({
        name: `config-${at}`,
        ...(map === undefined ? { secret: { secretName } } : { configMap: { name: map } }),
      })),
      { name: 'tmp', emptyDir: {} },
    ],
  }
}

function configMap(name: string, data: Record<string, string>): Manifest {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data }
}

function secret(name: string, stringData: Record<string, string>): Manifest {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData }
}

/** The texts of a folder's files, by name. */
async function filesIn(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).toSorted()
  const texts = await Promise.all(
    names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const),
  )
  return Object.fromEntries(texts)
}

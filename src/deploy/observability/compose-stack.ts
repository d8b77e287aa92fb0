import { cp, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { edgeTargetsFile } from '../edges-file.ts'
import { observabilityFolder } from './assets.ts'
import { grafanaDatasource, grafanaDashboards, grafanaEnvironment, images } from './grafana.ts'
import { stackDirectory, writeStackFiles, writeStackNote, type StackSettings } from './stack-files.ts'

/** Where things are in the containers. */
const inContainer = {
  credentials: '/etc/prometheus/credentials',
  authorities: '/etc/prometheus/authorities.pem',
  dashboards: '/var/lib/grafana/dashboards',
}
const ports = { prometheus: 9090, alertmanager: 9093, grafana: 3000 }

export const composeUrls = {
  prometheusUrl: `http://127.0.0.1:${ports.prometheus}`,
  alertmanagerUrl: `http://127.0.0.1:${ports.alertmanager}`,
  grafanaUrl: `http://127.0.0.1:${ports.grafana}`,
}

/**
 * Writes the stack of a project as a Compose project: Prometheus, Alertmanager and Grafana with the dashboard. They use the
 * host's network, because the edges listen on loopback, and listen there themselves. Answers the Compose file.
 */
export async function writeComposeStack(projectDir: string, settings: StackSettings): Promise<string> {
  const { credentialsFile, caFile } = settings
  await writeStackFiles(projectDir, {
    ...settings,
    credentialsFile: credentialsFile && inContainer.credentials,
    caFile: caFile && inContainer.authorities,
    targetsDir: '/etc/prometheus/targets',
    alertmanager: `127.0.0.1:${ports.alertmanager}`,
  })
  const directory = stackDirectory(projectDir)
  const provisioning = join(directory, 'grafana', 'provisioning')
  for (const folder of [
    join(provisioning, 'datasources'),
    join(provisioning, 'dashboards'),
    join(directory, 'data', 'grafana'),
  ])
    await mkdir(folder, { recursive: true })
  await writeFile(
    join(provisioning, 'datasources', 'openclaw.yaml'),
    grafanaDatasource(composeUrls.prometheusUrl),
  )
  await writeFile(
    join(provisioning, 'dashboards', 'openclaw.yaml'),
    grafanaDashboards(inContainer.dashboards),
  )
  await cp(join(observabilityFolder(), 'dashboards'), join(directory, 'grafana', 'dashboards'), {
    recursive: true,
  })
  const file = join(directory, 'compose.yaml')
  const targets = join(edgeTargetsFile(projectDir), '..')
  const mounts = [
    `${targets}:/etc/prometheus/targets:ro`,
    ...(credentialsFile === undefined ? [] : [`${credentialsFile}:${inContainer.credentials}:ro`]),
    ...(caFile === undefined ? [] : [`${caFile}:${inContainer.authorities}:ro`]),
  ]
  await writeFile(file, stringify(composeProject(mounts)))
  await writeStackNote(projectDir, { form: 'compose', ...composeUrls })
  return file
}

/** `mounts`: of Prometheus, from elsewhere in the project. */
function composeProject(mounts: readonly string[]): unknown {
  const [uid, gid] = [process.getuid?.(), process.getgid?.()]
  const common = {
    network_mode: 'host',
    restart: 'unless-stopped',
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
    // Whose the files are.
    ...(uid !== undefined && { user: `${uid}:${gid}` }),
  }
  return {
    name: 'openclaw-observability',
    services: {
      prometheus: {
        ...common,
        image: images.prometheus,
        command: [
          '--config.file=/etc/prometheus/prometheus.yml',
          '--storage.tsdb.path=/prometheus',
          `--web.listen-address=127.0.0.1:${ports.prometheus}`,
          // Imported alerts are taken up without a signal.
          '--enable-feature=auto-reload-config',
          '--config.auto-reload-interval=5s',
        ],
        volumes: [
          './prometheus.yml:/etc/prometheus/prometheus.yml:ro',
          './rules:/etc/prometheus/rules:ro',
          './alerts:/etc/prometheus/alerts:ro',
          ...mounts,
          './data/prometheus:/prometheus',
        ],
      },
      alertmanager: {
        ...common,
        image: images.alertmanager,
        command: [
          '--config.file=/etc/alertmanager/alertmanager.yml',
          '--storage.path=/alertmanager',
          `--web.listen-address=127.0.0.1:${ports.alertmanager}`,
          '--cluster.listen-address=',
        ],
        volumes: [
          './alertmanager.yml:/etc/alertmanager/alertmanager.yml:ro',
          './data/alertmanager:/alertmanager',
        ],
      },
      grafana: {
        ...common,
        image: images.grafana,
        environment: {
          GF_SERVER_HTTP_ADDR: '127.0.0.1',
          GF_SERVER_HTTP_PORT: String(ports.grafana),
          ...grafanaEnvironment,
        },
        tmpfs: ['/tmp'],
        volumes: [
          './grafana/provisioning:/etc/grafana/provisioning:ro',
          `./grafana/dashboards:${inContainer.dashboards}:ro`,
          './data/grafana:/var/lib/grafana',
        ],
      },
    },
  }
}

import { stringify } from 'yaml'

/** Pinned, and renewed by hand. */
export const images = {
  prometheus: 'docker.io/prom/prometheus:v3.0.1',
  alertmanager: 'docker.io/prom/alertmanager:v0.27.0',
  grafana: 'docker.io/grafana/grafana:11.4.0',
}

/** Whoever can reach Grafana may look; nobody may change anything, and there is no default password to guess. */
export const grafanaEnvironment = {
  GF_AUTH_ANONYMOUS_ENABLED: 'true',
  GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer',
  GF_AUTH_DISABLE_LOGIN_FORM: 'true',
  GF_AUTH_BASIC_ENABLED: 'false',
  GF_ANALYTICS_REPORTING_ENABLED: 'false',
}

/** Grafana's provisioning of Prometheus as its default data source. */
export function grafanaDatasource(url: string): string {
  return stringify({
    apiVersion: 1,
    datasources: [
      { name: 'Prometheus', uid: 'prometheus', type: 'prometheus', access: 'proxy', url, isDefault: true },
    ],
  })
}

/** Grafana's provisioning of the dashboards in a folder. */
export function grafanaDashboards(path: string): string {
  return stringify({
    apiVersion: 1,
    providers: [{ name: 'openclaw', type: 'file', allowUiUpdates: false, options: { path } }],
  })
}

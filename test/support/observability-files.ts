import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'

const root = new URL('../../', import.meta.url)

export const pathOf = (file: string): string => fileURLToPath(new URL(file, root))
export const textOf = (file: string): string => readFileSync(pathOf(file), 'utf8')
export const alertsFile = 'deploy/observability/alerts/openclaw-alerts.yaml'
export const recordingFile = 'deploy/observability/rules/recording.yaml'

/** Test files of the rules, for promtool. */
export const ruleTestFiles = readdirSync(pathOf('deploy/observability/tests')).map(
  (name) => `deploy/observability/tests/${name}`,
)

export interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
  readonly for?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

export function rulesOf(file: string): Rule[] {
  const { groups } = parse(textOf(file)) as { groups: { rules: Rule[] }[] }
  return groups.flatMap(({ rules }) => rules)
}

export interface DashboardPanel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[]
}

/** The panels of the dashboard, rows among them. */
export function dashboardPanels(): DashboardPanel[] {
  const text = textOf('deploy/observability/dashboards/openclaw.json')
  return (JSON.parse(text) as { panels: DashboardPanel[] }).panels
}

/** Each query of the dashboard, and where it stands. */
export function dashboardQueries(): { title: string; expr: string }[] {
  return dashboardPanels().flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })))
}

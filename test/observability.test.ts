import { existsSync, readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { dashboardFile, dashboardText } from '../scripts/dashboard/main.ts'
import { figures } from '../src/metrics/figures.testing.ts'
import { Metrics } from '../src/metrics/metrics.ts'
import {
  alertsFile,
  dashboardPanels,
  dashboardQueries,
  pathOf,
  recordingFile,
  rulesOf,
  ruleTestFiles,
  textOf,
} from './support/observability-files.ts'
import { withTable } from './support/with-table.ts'

interface RuleTest {
  readonly name: string
  readonly promql_expr_test: readonly { readonly expr: string; readonly exp_samples: readonly unknown[] }[]
  readonly alert_rule_test: readonly {
    readonly alertname: string
    readonly exp_alerts?: readonly unknown[]
  }[]
}

const alerts = rulesOf(alertsFile)
const recorded = rulesOf(recordingFile)
const ruleTests = ruleTestFiles.flatMap((file) => (parse(textOf(file)) as { tests: RuleTest[] }).tests)
const runbooks = [...new Set(alerts.map(({ annotations }) => annotations?.['runbook'] ?? ''))]

/** What an edge shows that has something of everything to show. */
let exposition: string
/** Names of its time series, histograms' parts among them. */
let shown: Set<string>

beforeAll(async () => {
  const metrics = new Metrics('us', () => figures)
  metrics.observeRequest({ route: '/rating', status: 503, durationMs: 1 })
  metrics.observeBatch({ size: 1, durationMs: 1, failed: false })
  exposition = (await metrics.scrape()).body
  shown = new Set([...exposition.matchAll(/^([a-z0-9_]+)[{ ]/gm)].map(([, name]) => name!))
})

/** The metrics of an edge's own, as docs/metrics.md lists them. */
function metricsTable(): string {
  const rows = [...exposition.matchAll(/^# HELP (openclaw_\w+) (.+)\n# TYPE \w+ (\w+)$/gm)].map(
    ([, name, help, type]) => {
      const sample = exposition.match(new RegExp(`^${name}(?:_bucket)?\\{(.*)\\}`, 'm'))![1]!
      const labels = [...sample.matchAll(/(\w+)="/g)]
        .map(([, label]) => label!)
        .filter((label) => !['region', 'le'].includes(label))
      return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`
    },
  )
  return ['| metric | type | labels | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

/** Metrics that a text names: of an edge, or recorded. */
function named(text: string): string[] {
  return [...text.matchAll(/[a-z_][\w:]*/gi)]
    .map(([name]) => name)
    .filter((name) => /^(openclaw|nodejs|process)_/.test(name) || /^\w+:openclaw/.test(name))
}

const unknown = (text: string): string[] => {
  const names = new Set(recorded.map(({ record }) => record))
  return named(text).filter((name) => !shown.has(name) && !names.has(name))
}

describe('alerts', () => {
  test.each(alerts)('$alert says how bad it is, what happens, and where to read on', ({ alert, ...rule }) => {
    expect(rule.for).toMatch(/^\d+[sm]$/)
    expect(['warning', 'critical']).toContain(rule.labels?.['severity'])
    expect(rule.annotations?.['summary']).toBeTruthy()
    expect(rule.annotations?.['description']).toBeTruthy()
    const runbook = rule.annotations!['runbook']!
    expect(runbook).toMatch(/^docs\/runbooks\/[a-z-]+\.md$/)
    expect(textOf(runbook)).toMatch(new RegExp(`^# .*\\b${alert}\\b`))
    expect(textOf('docs/runbooks/README.md')).toContain(alert)
  })

  test.each(alerts)('$alert is tested: pending, firing, and not', ({ alert }) => {
    const tests = ruleTests.filter(({ name }) => name === alert)
    const asked = tests.flatMap(({ alert_rule_test }) => alert_rule_test)
    expect(asked.every(({ alertname }) => alertname === alert)).toBe(true)
    expect(asked.some(({ exp_alerts = [] }) => exp_alerts.length > 0)).toBe(true)
    expect(asked.filter(({ exp_alerts = [] }) => exp_alerts.length === 0).length).toBeGreaterThanOrEqual(2)
    const pending = tests.flatMap(({ promql_expr_test }) => promql_expr_test)
    expect(
      pending.some(
        ({ expr, exp_samples }) =>
          expr.includes(`alertname="${alert}",alertstate="pending"`) && exp_samples.length > 0,
      ),
    ).toBe(true)
  })

  test('need no recorded metrics, so that the file can be imported by itself', () => {
    expect(alerts.flatMap(({ expr }) => named(expr)).filter((name) => !shown.has(name))).toEqual([])
  })

  test("keep the guide's names", () => {
    expect(alerts.map(({ alert }) => alert)).toEqual(
      expect.arrayContaining(['OpenClawHighLatency', 'OpenClawTokenDepletion', 'OpenClawErrorRate']),
    )
  })
})

test.each(runbooks)('%s says what it means, what users see, how to check and what to do', (file) => {
  expect(existsSync(pathOf(file))).toBe(true)
  for (const part of ['**Means.**', '**Users see**', '**Check**', '**Do**'])
    expect(textOf(file)).toContain(part)
  expect(unknown(textOf(file))).toEqual([])
})

test('docs/metrics.md lists the metrics as they are (vitest -u writes them)', async () => {
  const renewed = withTable(textOf('docs/metrics.md'), 'metrics', metricsTable())
  await expect(renewed).toMatchFileSnapshot(pathOf('docs/metrics.md'))
})

test('recording rules use metrics that there are', () => {
  expect(recorded.flatMap(({ expr }) => unknown(expr))).toEqual([])
})

describe('the dashboard', () => {
  test('is what its source makes (npm run dashboard)', () => {
    expect(readFileSync(dashboardFile, 'utf8')).toBe(dashboardText())
  })

  test("begins with the guide's three panels", () => {
    const graphs = dashboardPanels().filter(({ type }) => type !== 'row')
    expect(graphs.slice(0, 3).map(({ title }) => title)).toEqual([
      'Request Rate',
      'Token Consumption',
      'Latency (p95)',
    ])
  })

  test('asks for metrics that there are, and every panel asks', () => {
    expect(dashboardQueries().flatMap(({ expr }) => unknown(expr))).toEqual([])
    for (const { type, targets = [] } of dashboardPanels()) expect(targets.length > 0).toBe(type !== 'row')
  })

  test('no two panels have the same number or stand on each other', () => {
    const panels = dashboardPanels()
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
    expect(Math.max(...panels.map(({ gridPos: { x, w } }) => x + w))).toBeLessThanOrEqual(24)
  })
})

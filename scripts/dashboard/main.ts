import { writeFileSync } from 'node:fs'
import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
  type Dashboard,
} from '@grafana/grafana-foundation-sdk/dashboard'
import {
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  SortOrder,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common'
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus'
import { PanelBuilder } from '@grafana/grafana-foundation-sdk/timeseries'
import { rows, type Graph } from './graphs.ts'

const datasource = { type: 'prometheus', uid: '${datasource}' }

/** The dashboard, in Grafana's own types: what doesn't fit its schema doesn't compile. */
export function openclawDashboard(): Dashboard {
  const dashboard = new DashboardBuilder('OpenClaw Rating API Edge')
    .uid('openclaw')
    .description('Requests, limits, replication and store of the edges of one cluster.')
    .tags(['openclaw'])
    .timezone('browser')
    .refresh('10s')
    .time({ from: 'now-30m', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'))
    .withVariable(
      new QueryVariableBuilder('region')
        .label('Region')
        .datasource(datasource)
        .query('label_values(openclaw_build_info, region)')
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .sort(VariableSort.AlphabeticalAsc)
        .multi(true)
        .includeAll(true)
        .allValue('.+')
        .current({ selected: true, text: 'All', value: '$__all' }),
    )
  let id = 0
  for (const { title, graphs } of rows) {
    dashboard.withRow(new RowBuilder(title).id(++id))
    for (const graph of graphs) dashboard.withPanel(panel(graph).id(++id))
  }
  return dashboard.build()
}

function panel({ title, description, unit, queries, threshold, max }: Graph): PanelBuilder {
  const built = new PanelBuilder()
    .title(title)
    .description(description)
    .datasource(datasource)
    .unit(unit)
    .min(0)
    .span(8)
    .height(8)
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .calcs([]),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
  if (max !== undefined) built.max(max)
  if (threshold !== undefined) {
    built
      .thresholds(
        new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([
          { value: null, color: 'transparent' },
          { value: threshold, color: 'red' },
        ]),
      )
      .thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed))
  }
  for (const [index, { expr, legend }] of queries.entries()) {
    built.withTarget(
      new DataqueryBuilder()
        .refId(String.fromCodePoint(65 + index))
        .datasource(datasource)
        .expr(expr)
        .legendFormat(legend),
    )
  }
  return built
}

/** As it stands in its file. */
export function dashboardText(): string {
  return `${JSON.stringify(openclawDashboard(), null, 2)}\n`
}

export const dashboardFile = new URL('../../deploy/observability/dashboards/openclaw.json', import.meta.url)

if (import.meta.main) writeFileSync(dashboardFile, dashboardText())

import { importRules } from '../deploy/observability/import-rules.ts'
import { formatTable } from './table.ts'

/** `openclaw alerts import`: loads a file of rules into the project's Prometheus. */
export async function importAlerts(file: string, { json }: { json: boolean }): Promise<void> {
  const groups = await importRules(process.cwd(), file)
  if (json) return void process.stdout.write(`${JSON.stringify({ groups })}\n`)
  const rows = groups.flatMap(({ name, rules }) =>
    rules.map((rule) => [name, rule.name, rule.state ?? 'recording']),
  )
  process.stdout.write(
    `${formatTable(['GROUP', 'RULE', 'STATE'], rows)}\n\n${rows.length} rules are active.\n`,
  )
}

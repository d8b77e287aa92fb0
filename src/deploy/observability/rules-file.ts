import { z } from 'zod'
import { inOrder, oneLine, show, showPath, type ConfigProblem } from '../../config/problem.ts'
import type { Path } from '../../config/raw.ts'
import { fileProblem, readConfigText } from '../../config/read-text.ts'
import { YamlSource, type Position } from '../../config/yaml-source.ts'
import type { ExpressionProblem } from './prometheus-api.ts'

/** A rule of a file of rules, and its expression. */
export interface FileRule {
  readonly name: string
  readonly type: 'alerting' | 'recording'
  readonly expression: string
  /** Where the expression stands. */
  readonly path: Path
}

export interface FileGroup {
  readonly name: string
  readonly rules: readonly FileRule[]
}

/** Alerting and recording rules as Prometheus reads them, with the place of each. */
export interface RulesFile {
  readonly text: string
  readonly groups: readonly FileGroup[]
  /** A problem of what stands at a path, such as `['groups', 0, 'rules', 1]`. */
  problemAt(path: Path, message: string): ConfigProblem
  /** An expression's problem as a problem of the file. */
  explain(rule: FileRule, problem: ExpressionProblem): ConfigProblem
}

export type RulesResult =
  | { readonly ok: true; readonly rules: RulesFile }
  | { readonly ok: false; readonly errors: readonly ConfigProblem[] }

const durationPattern = /^(?!$)(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$/
const labelNamePattern = /^(?!__)[a-zA-Z_]\w*$/
const metricNamePattern = /^[a-zA-Z_:][\w:]*$/

/** Says what is wrong with a value, for the schema below. */
const allowed = (what: string) => ({
  error: ({ input }: { input: unknown }) =>
    input === undefined ? `missing; required: ${what}` : `${show(input)} is not allowed; allowed: ${what}`,
})
const nonEmpty = (what: string) => z.string(allowed(what)).min(1, allowed(what))
const duration = z
  .string(allowed('a duration such as 5m'))
  .refine((value) => value === '0' || durationPattern.test(value), allowed('a duration such as 5m, or 1h30m'))
const scalarText = z
  .union([z.string(), z.number(), z.boolean()], allowed('a text'))
  .transform((value) => String(value))
const named = (pattern: RegExp, what: string) =>
  z.record(z.string(), scalarText, allowed('a map')).superRefine((map, ctx) => {
    for (const name of Object.keys(map).filter((candidate) => !pattern.test(candidate)))
      ctx.addIssue({
        code: 'custom',
        path: [name],
        params: { isKey: true },
        message: `not allowed as a name; allowed: ${what}`,
      })
  })
const labels = named(labelNamePattern, 'letters, digits and _, no digit first, and not __')
const annotations = named(/^[a-zA-Z_]\w*$/, 'letters, digits and _, no digit first')
const expression = z
  .union([z.string(), z.number()], allowed('an expression'))
  .transform((value) => String(value))
  .refine((value) => value.trim() !== '', allowed('an expression'))

const alertingRule = z.strictObject({
  alert: nonEmpty('the name of an alert'),
  expr: expression,
  for: duration.optional(),
  keep_firing_for: duration.optional(),
  labels: labels.optional(),
  annotations: annotations.optional(),
})
const recordingRule = z.strictObject({
  record: nonEmpty('the name of a metric').regex(
    metricNamePattern,
    allowed('letters, digits, _ and :, no digit first'),
  ),
  expr: expression,
  labels: labels.optional(),
})
const rule = z
  .looseObject({}, allowed('a rule: a map with alert or record, and expr'))
  .transform((value, ctx) => {
    const parsed = ('record' in value ? recordingRule : alertingRule).safeParse(value)
    if (parsed.success) return parsed.data
    for (const { path, message, isKey } of parsed.error.issues.flatMap(toMessages))
      ctx.addIssue({ code: 'custom', path: [...path], params: { isKey }, message })
    return z.NEVER
  })
const group = z.strictObject(
  {
    name: nonEmpty('the name of a group'),
    interval: duration.optional(),
    query_offset: duration.optional(),
    limit: z.int(allowed('a whole number')).min(0, allowed('a whole number, 0 or more')).optional(),
    labels: labels.optional(),
    rules: z.array(rule, allowed('a list of rules')),
  },
  allowed('a group: a map with name and rules'),
)
const schema = z.strictObject(
  { groups: z.array(group, allowed('a list of groups')) },
  allowed('a map with groups'),
)

/**
 * Reads a file of rules; all that is wrong comes at once, by line and column. Expressions are not judged here: only the
 * Prometheus that will run them can. https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/
 */
export async function readRulesFile(file: string): Promise<RulesResult> {
  const read = await readConfigText(file)
  return read.ok ? parseRules(read.text, file) : read
}

export function parseRules(content: string, file: string): RulesResult {
  const source = new YamlSource(content)
  const problemAt = (path: Path, message: string, position: Position): ConfigProblem => ({
    file,
    ...position,
    path: showPath(path),
    value: null,
    message,
  })
  const broken = source.problems.map(({ path, message, position }) => problemAt(path, message, position))
  if (broken.length > 0) return { ok: false, errors: broken }
  const parsed = schema.safeParse(source.raw)
  const issues = parsed.success
    ? duplicateGroups(parsed.data.groups)
    : parsed.error.issues.flatMap(toMessages)
  if (!parsed.success || issues.length > 0) {
    const errors = issues.map(({ path, message, isKey }) =>
      problemAt(path, message, source.locate(path, isKey ? 'key' : 'value')),
    )
    return { ok: false, errors: inOrder(errors) }
  }
  const groups = parsed.data.groups.map(({ name, rules }, at) => ({
    name,
    rules: rules.map((each, index) => toRule(each, ['groups', at, 'rules', index, 'expr'])),
  }))
  if (groups.every(({ rules }) => rules.length === 0))
    return { ok: false, errors: [fileProblem(file, 'it has no rules')] }
  return {
    ok: true,
    rules: {
      text: content,
      groups,
      problemAt: (path, message) => problemAt(path, oneLine(message), source.locate(path)),
      explain: ({ path, expression: text }, problem) => {
        const position = placeIn(content, { start: source.locate(path), text, problem })
        const at = problem.line === null ? '' : ` (${problem.line}:${problem.column} of the expression)`
        return problemAt(path, `${oneLine(problem.message)}${at}`, position)
      },
    },
  }
}

interface Message {
  readonly path: Path
  readonly message: string
  readonly isKey: boolean
}

function toMessages(issue: z.core.$ZodIssue): Message[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: 'unknown key', isKey: true }))
  return [
    {
      path: issue.path,
      message: issue.message,
      isKey: issue.code === 'custom' && issue.params?.['isKey'] === true,
    },
  ]
}

function duplicateGroups(groups: readonly { name: string }[]): Message[] {
  const first = new Set<string>()
  return groups.flatMap(({ name }, at) => {
    const isNew = !first.has(name)
    first.add(name)
    const path = ['groups', at, 'name']
    return isNew ? [] : [{ path, message: `another group is named ${show(name)} already`, isKey: false }]
  })
}

function toRule(
  parsed: z.output<typeof alertingRule> | z.output<typeof recordingRule>,
  path: Path,
): FileRule {
  return 'alert' in parsed
    ? { name: parsed.alert, type: 'alerting', expression: parsed.expr, path }
    : { name: parsed.record, type: 'recording', expression: parsed.expr, path }
}

/**
 * Where in the file a place of an expression is. Exact for one that stands on one line or as a literal block (`|`); else it is
 * where the expression begins.
 */
function placeIn(
  content: string,
  where: { readonly start: Position; readonly text: string; readonly problem: ExpressionProblem },
): Position {
  const { start, text, problem } = where
  if (problem.line === null || problem.column === null) return start
  const lines = content.split('\n')
  const onLine = lines[start.line - 1]!.slice(start.column - 1)
  const wanted = text.split('\n')[problem.line - 1] ?? ''
  if (!text.includes('\n') && onLine.startsWith(wanted))
    return { ...start, column: start.column + problem.column - 1 }
  if (/^["']/.test(onLine) && onLine.slice(1).startsWith(wanted))
    return { ...start, column: start.column + problem.column }
  const line = lines[start.line + problem.line - 1]
  if (!onLine.startsWith('|') || line === undefined || !line.endsWith(wanted)) return start
  return { line: start.line + problem.line, column: line.length - wanted.length + problem.column }
}

import { expect, test } from 'vitest'
import { formatProblems } from '../../config/problem.ts'
import { parseRules } from './rules-file.ts'

const problemsOf = (text: string): string[] => {
  const result = parseRules(text, 'rules.yaml')
  return result.ok ? [] : formatProblems(result.errors).split('\n')
}

test('alerting and recording rules are read', () => {
  const result = parseRules(
    `groups:
  - name: openclaw
    interval: 1m30s
    rules:
      - alert: Down
        expr: up == 0
        for: 2m
        labels: { severity: critical, tier: 1 }
        annotations: { summary: "{{ $labels.instance }} is down" }
      - { record: job:up:sum, expr: sum by (job) (up) }
`,
    'rules.yaml',
  )
  expect(result).toMatchObject({
    ok: true,
    rules: {
      groups: [
        {
          name: 'openclaw',
          rules: [
            { name: 'Down', type: 'alerting', expression: 'up == 0' },
            { name: 'job:up:sum', type: 'recording', expression: 'sum by (job) (up)' },
          ],
        },
      ],
    },
  })
})

test('all that is wrong comes at once, each with its place', () => {
  expect(
    problemsOf(`groups:
  - name: a
    rules:
      - alert: Slow
        expr: ''
        for: 2 minutes
        severity: critical
        labels: { __name: x, ok: [1] }
      - record: not-a-name
        expr: 1
      - expr: up
  - name: b
    interval: 5
    rules: {}
`),
  ).toEqual([
    'rules.yaml:5:15 groups[0].rules[0].expr: "" is not allowed; allowed: an expression',
    'rules.yaml:6:14 groups[0].rules[0].for: "2 minutes" is not allowed; allowed: a duration such as 5m, or 1h30m',
    'rules.yaml:7:9 groups[0].rules[0].severity: unknown key',
    'rules.yaml:8:34 groups[0].rules[0].labels.ok: a list of 1 is not allowed; allowed: a text',
    'rules.yaml:9:17 groups[0].rules[1].record: "not-a-name" is not allowed; allowed: letters, digits, _ and :, no digit first',
    'rules.yaml:11:9 groups[0].rules[2].alert: missing; required: the name of an alert',
    'rules.yaml:13:15 groups[1].interval: 5 is not allowed; allowed: a duration such as 5m',
    'rules.yaml:14:12 groups[1].rules: a map is not allowed; allowed: a list of rules',
  ])
})

test.each([
  ['', /an empty value is not allowed; allowed: a map with groups/],
  ['groups: []', /it has no rules/],
  ['groups: [', /not valid YAML/],
  ['groups: [{name: a, rules: []}, {name: a, rules: []}]', /1:39 .*another group is named "a" already/],
  ['groups: [{name: a, rules: [{alert: A, expr: up, labels: {a-b: c}}]}]', /a-b: not allowed as a name/],
])('%j is refused', (text, message) => {
  expect(problemsOf(text).join('\n')).toMatch(message)
})

test.each([
  ['plain', 'expr: sum(rate(x[5m])) by (', { line: 5, column: 39 }],
  ['quoted', 'expr: "sum(rate(x[5m])) by ("', { line: 5, column: 40 }],
  ['folded', 'expr: >-\n          sum(rate(x[5m])) by (', { line: 5, column: 15 }],
])('a problem of an expression that is %s has its place in the file', (_form, expr, position) => {
  const result = parseRules(
    `groups:\n  - name: a\n    rules:\n      - alert: A\n        ${expr}\n`,
    'rules.yaml',
  )
  if (!result.ok) throw new Error(formatProblems(result.errors))
  const rule = result.rules.groups[0]!.rules[0]!
  expect(result.rules.explain(rule, { line: 1, column: 25, message: 'unclosed' })).toMatchObject(position)
})

test('so has one in a literal block', () => {
  const text =
    'groups:\n  - name: a\n    rules:\n      - alert: A\n        expr: |\n          up ==\n            0 0\n'
  const result = parseRules(text, 'rules.yaml')
  if (!result.ok) throw new Error(formatProblems(result.errors))
  const problem = result.rules.explain(result.rules.groups[0]!.rules[0]!, {
    line: 2,
    column: 5,
    message: 'no',
  })
  expect(problem).toMatchObject({ line: 7, column: 15, message: 'no (2:5 of the expression)' })
})

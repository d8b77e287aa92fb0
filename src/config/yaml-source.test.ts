import { expect, test } from 'vitest'
import { YamlSource } from './yaml-source.ts'

const found = (text: string): string[] =>
  new YamlSource(text).problems.map(
    ({ position, message }) => `${position.line}:${position.column} ${message}`,
  )

test('maps, lists and scalars are read as YAML 1.2, whatever version the file claims', () => {
  const { raw, problems } = new YamlSource(
    '%YAML 1.1\n---\na: off\nb: [1, 0x10, 1.5, "2", null, ~]\nc: {d: true}\n1: x\ne: !!str 12\n',
  )
  expect(problems).toEqual([])
  expect(raw).toEqual({ a: 'off', b: [1, 16, 1.5, '2', null, null], c: { d: true }, 1: 'x', e: '12' })
})

test('a bracket may close as far left as its key stands', () => {
  const { raw, problems } = new YamlSource('a:\n  b: [\n    1\n  ]\n')
  expect([raw, problems]).toEqual([{ a: { b: [1] } }, []])
})

test.each([
  ['a tab', 'a:\n\tb: 1', ['2:1 not valid YAML: Tabs are not allowed as indentation']],
  ['an unclosed quote', "a: 'x", ["1:6 not valid YAML: Missing closing 'quote"]],
  ['two documents', 'a: 1\n---\nb: 2', ['2:1 not valid YAML: more than one document; allowed: one']],
  ['a tag', 'a: !!js/function x', ['1:4 not valid YAML: tags (!name) are not allowed']],
  ['a tag of YAML 1.1', 'a: !!set {b}', ['1:4 not valid YAML: tags (!name) are not allowed']],
  ['a directive', '%FOO\n---\na: 1', ['1:1 not valid YAML: directives other than %YAML 1.2 are not allowed']],
  ['a key that is a list', '? [a]\n: 1', ['1:3 not valid YAML: a key that is no text']],
  ['an alias without an anchor', 'a: *b', ['1:4 alias "b" has no anchor before it']],
  ['an alias in its own anchor', 'a: &a [*a]', ['1:8 alias "a" has no anchor before it']],
  ['merge keys, which YAML 1.2 lacks', 'a: &a {b: 1}\nc: {<<: *a, b: 2}', []],
  [
    'two duplicates',
    'a: {b: 1, b: 2}\na: 3',
    [
      '1:11 duplicate key; it is defined on line 1 already',
      '2:1 duplicate key; it is defined on line 1 already',
    ],
  ],
  [
    'keys that could subvert an object',
    'a: {__proto__: {b: 1}}\nconstructor: 1\nprototype: 2',
    ['1:5 this key is not allowed', '2:1 this key is not allowed', '3:1 this key is not allowed'],
  ],
  [
    'several syntax errors',
    'a: "\\q"\nb: @c\n',
    [
      '1:5 not valid YAML: Invalid escape sequence \\q',
      '2:4 not valid YAML: Plain value cannot start with reserved character @',
    ],
  ],
])('%s: what is wrong and where', (_what, text, expected) => {
  expect(found(text)).toEqual(expected)
})

test('a prototype key changes no object', () => {
  const { raw } = new YamlSource('__proto__: {polluted: 1}\na: 1')
  expect(raw).toEqual({ a: 1 })
  expect(Object.getPrototypeOf(raw)).toBe(Object.prototype)
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
})

test('messages never quote the text, which may be a secret', () => {
  const texts = [
    'a: 1\n} hunter2',
    'a: |hunter2',
    'a: !hunter2 1',
    '"x" hunter2',
    '%hunter2\n---\n',
    'a: "b" "hunter2"',
  ]
  expect(texts.map((text) => found(text).length > 0)).toEqual(texts.map(() => true))
  expect(texts.flatMap(found).join()).not.toContain('hunter2')
})

test('aliases that multiply beyond all bounds are cut off', () => {
  const levels = Array.from({ length: 30 }, (_, at) => `a${at + 1}: &a${at + 1} [${`*a${at}, `.repeat(10)}]`)
  const problems = found(['a0: &a0 [x, x, x, x]', ...levels].join('\n'))
  expect(problems).toEqual(['6:50 too many values; allowed: up to 500000, aliases counted'])
})

test('nesting is bounded, far beyond the stack too', () => {
  expect(found('['.repeat(32) + ']'.repeat(32))).toEqual([])
  expect(found('['.repeat(33) + ']'.repeat(33))).toEqual(['1:33 nested too deeply; allowed: up to 32 levels'])
  expect(found('['.repeat(20_000)).some((line) => line.includes('nested too deeply'))).toBe(true)
  expect(found('- '.repeat(20_000)).some((line) => line.includes('nested too deeply'))).toBe(true)
})

test('as many keys as a file can hold are read', () => {
  const text = Array.from({ length: 100_000 }, (_, at) => `k${at}: ${at}`).join('\n')
  const source = new YamlSource(`${text}\nk7: again`)
  expect(source.problems.map(({ message }) => message)).toEqual([
    'duplicate key; it is defined on line 8 already',
  ])
  expect(source.locate(['k99999'])).toEqual({ line: 100_000, column: 9 })
})

const located = new YamlSource('a:\n  b: &x [1, {c: 2}]\n  d: *x\n  e:\nf: 3')

test.each([
  [['a', 'b'], 'value', 2, 9],
  [['a', 'b'], 'key', 2, 3],
  [['a', 'b', 1, 'c'], 'value', 2, 17],
  [['a', 'd', 1, 'c'], 'key', 2, 14],
  [['a', 'e'], 'value', 4, 3],
  [['a', 'nowhere', 'deep'], 'value', 1, 1],
  [['a', 'b', 7], 'value', 2, 3],
  [['a', 'b', 1, 'missing'], 'value', 2, 13],
  [['f', 'x'], 'value', 5, 1],
  [[], 'value', 1, 1],
] as const)('%j (%s) stands in line %d, column %d', (path, part, line, column) => {
  expect(located.locate(path, part)).toEqual({ line, column })
})

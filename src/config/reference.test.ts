import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { withTable } from '../../test/support/with-table.ts'
import { variables } from './overlay.ts'
import { allowedText, nodeAt, settingsNode, type SchemaNode } from './schema-node.ts'

interface Row {
  path: string
  node: SchemaNode
  isRequired: boolean
}

/** All keys below a node, in the order of the schema. */
function rows(node: SchemaNode, path: string): Row[] {
  const below = (key: string, part: SchemaNode, isRequired: boolean): Row[] => {
    const own = path === '' ? key : `${path}.${key}`
    return [{ path: own, node: part, isRequired }, ...rows(part, own)]
  }
  const known = Object.entries(node.properties ?? {}).flatMap(([key, part]) =>
    below(key, part, node.required?.includes(key) ?? false),
  )
  const free =
    typeof node.additionalProperties === 'object'
      ? below(`<${node.entry}>`, node.additionalProperties, false)
      : []
  const items = node.items?.properties ? rows(node.items, `${path}[]`) : []
  return [...known, ...free, ...items]
}

const table = (head: string[], body: string[][]): string =>
  [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

function showDefault(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function referenceTable(): string {
  const body = rows(settingsNode, '').map(({ path, node, isRequired }) => {
    const standard =
      node.default === undefined || node.properties ? 'none' : `\`${showDefault(node.default)}\``
    return [
      `\`${path}\``,
      node.properties ? 'a map' : allowedText(node),
      isRequired ? 'required' : standard,
      node.description ?? '',
    ]
  })
  return table(['Key', 'Type and range', 'Default', 'Meaning'], body)
}

function environmentTable(): string {
  const named = ['store.url_env', 'store.read_url_env', 'cluster.hash_key_env'].map((path) => [
    `\`${String(nodeAt(path.split('.'))?.default)}\``,
    `what \`${path}\` says; another name can be given there`,
  ])
  const plain = variables.map(({ name, path }) => [`\`${name}\``, `\`${path}\``])
  return table(['Variable', 'Sets'], [...named, ...plain])
}

test('every key has a description and says what is allowed', () => {
  const silent = rows(settingsNode, '').filter(({ node }) => !node.description || allowedText(node) === '')
  expect(silent.map(({ path }) => path)).toEqual([])
})

test('docs/configuration.md has the keys, ranges, defaults and meanings of the schema (vitest -u writes them)', async () => {
  const file = new URL('../../docs/configuration.md', import.meta.url)
  const document = await readFile(file, 'utf8')
  const renewed = withTable(
    withTable(document, 'environment', environmentTable()),
    'reference',
    referenceTable(),
  )
  await expect(renewed).toMatchFileSnapshot(fileURLToPath(file))
})

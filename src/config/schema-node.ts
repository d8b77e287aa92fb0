import { z } from 'zod'
import type { Path } from './raw.ts'
import { settingsSchema } from './schema.ts'

/** A part of the JSON Schema (draft 2020-12) that stands for {@link settingsSchema}, with the metadata of its fields. */
export interface SchemaNode {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly allowed?: string
  readonly entry?: string
  readonly names?: string
  readonly secret?: boolean
  readonly default?: unknown
  readonly enum?: readonly unknown[]
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly items?: SchemaNode
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly additionalProperties?: SchemaNode | boolean
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- zod's type leaves the metadata out
export const settingsNode: SchemaNode = z.toJSONSchema(settingsSchema, { io: 'input' }) as SchemaNode

/** The node for a path of a configuration; undefined for what the schema doesn't know. */
export function nodeAt(path: Path): SchemaNode | undefined {
  let node: SchemaNode | undefined = settingsNode
  for (const key of path) {
    if (node === undefined) return undefined
    const known = node.properties
    const free = typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined
    if (typeof key === 'number') node = node.items
    else node = known && Object.hasOwn(known, key) ? known[String(key)] : free
  }
  return node
}

/** What a field may hold, in words. */
export function allowedText(node: SchemaNode): string {
  if (node.allowed !== undefined) return node.allowed
  if (node.enum) return node.enum.join(', ').replace(/, ([^,]*)$/, ' or $1')
  if (node.type === 'number' && node.exclusiveMinimum !== undefined)
    return `a number above ${node.exclusiveMinimum}, up to ${node.maximum}`
  if (node.type === 'number') return `a number from ${node.minimum} to ${node.maximum}`
  if (node.items)
    return `a list of ${node.minItems ?? 0} to ${node.maxItems}, each ${allowedText(node.items)}`
  if (node.properties) return `a map with the keys ${Object.keys(node.properties).join(', ')}`
  throw new Error(`a field of type ${String(node.type)} says nothing of what is allowed`)
}

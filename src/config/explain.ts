import type { z } from 'zod'
import { redacted, show } from './problem.ts'
import { valueAt, type Path } from './raw.ts'
import { allowedText, nodeAt } from './schema-node.ts'
import { suggest } from './suggest.ts'

/** A problem, by its path only. */
export interface Explanation {
  readonly path: Path
  /** Whether it is about the key rather than the value. */
  readonly about: 'key' | 'value'
  readonly value: string | null
  readonly message: string
  /** Whether it holds whatever else the file may say: not of what is missing, nor of rules between fields. */
  readonly certain: boolean
  /** Where the value stands, if it isn't the file. */
  readonly origin?: string
}

/** Puts an issue of the schema into words; an issue about several unknown keys becomes one explanation for each. */
export function explain(issue: z.core.$ZodIssue, raw: unknown): Explanation[] {
  const { path } = issue
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key]))
  const value = valueAt(raw, path)
  const shown =
    value === undefined ? null : nodeAt(path)?.secret && !isStructure(value) ? redacted : show(value)
  if (issue.code === 'custom')
    return [{ path, about: 'value', value: shown, message: issue.message, certain: false }]
  if (issue.code === 'invalid_key') {
    const message = `${show(path.at(-1))} is not allowed as a name; allowed: ${nodeAt(path.slice(0, -1))?.names}`
    return [{ path, about: 'key', value: null, message, certain: true }]
  }
  return [unfit(path, shown)]
}

/** A value that its field doesn't allow, or that is missing. */
export function unfit(path: Path, shown: string | null): Explanation {
  const node = nodeAt(path)
  const allowed = node ? allowedText(node) : 'nothing'
  const isMissing = shown === null
  const message = isMissing ? `missing; required: ${allowed}` : `${shown} is not allowed; allowed: ${allowed}`
  return { path, about: 'value', value: shown, message, certain: !isMissing }
}

function unknownKey(path: Path): Explanation {
  const known = Object.keys(nodeAt(path.slice(0, -1))?.properties ?? {})
  const meant = suggest(String(path.at(-1)), known)
  const hint = meant === undefined ? `allowed: ${known.join(', ')}` : `did you mean ${meant}?`
  return { path, about: 'key', value: null, message: `unknown key; ${hint}`, certain: true }
}

function isStructure(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

import type { Path } from './raw.ts'

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** The file, or the environment variable or option, that it stands in. */
  readonly file: string
  /** From 1; null when it is about no place in a file. */
  readonly line: number | null
  readonly column: number | null
  /** Such as `token_buckets.us-east-1.capacity`; empty for the file as a whole. */
  readonly path: string
  /** As shown to people: cut short, and never a secret; null when there is none. */
  readonly value: string | null
  /** What is wrong and what is allowed. */
  readonly message: string
}

/** Stands for what must not be shown. */
export const redacted = '[redacted]'

const linesMax = 100
const shownMax = 80
const pathMax = 300

/** A line for each problem, such as `token_buckets.yaml:3:15 token_buckets.us-east-1.capacity: -5 is not allowed; …`; 100 at most. */
export function formatProblems(problems: readonly ConfigProblem[]): string {
  const lines = problems.slice(0, linesMax).map(({ file, line, column, path, message }) => {
    const place = line === null ? file : `${file}:${line}:${column}`
    return path === '' ? `${place}: ${message}` : `${place} ${path}: ${message}`
  })
  const left = problems.length - lines.length
  return [...lines, ...(left > 0 ? [`and ${left} more`] : [])].join('\n')
}

/** By place in the file; what has none comes last. */
export function inOrder(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const last = Number.MAX_SAFE_INTEGER
  return problems.toSorted(
    (a, b) => (a.line ?? last) - (b.line ?? last) || (a.column ?? last) - (b.column ?? last),
  )
}

export function showPath(path: Path): string {
  const text = path
    .map((key, at) => {
      if (typeof key === 'number') return `[${key}]`
      const name = /^[\w-]{1,64}$/.test(String(key)) ? String(key) : show(String(key))
      return at === 0 ? name : `.${name}`
    })
    .join('')
  return text.length > pathMax ? `${text.slice(0, pathMax)}…` : text
}

/** A value in one short line, without the credentials of URLs. */
export function show(value: unknown): string {
  if (value === null) return 'an empty value'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object') return 'a map'
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'string') return 'this'
  const safe = value.replaceAll(/\S+/g, withoutCredentials)
  return oneLine(JSON.stringify(safe.length > shownMax ? `${safe.slice(0, shownMax)}…` : safe))
}

/** Not by one pattern: one that looks for the @ anew at each // takes quadratic time. */
function withoutCredentials(word: string): string {
  const [start, end] = [word.indexOf('//'), word.lastIndexOf('@')]
  return start >= 0 && end > start ? `${word.slice(0, start)}//${redacted}${word.slice(end)}` : word
}

/** No control, format or line-separating character reaches a terminal or a log. */
export function oneLine(text: string): string {
  return text.replaceAll(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  )
}

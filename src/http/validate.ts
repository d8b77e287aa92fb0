import type { z } from 'zod'
import { ProblemError, type Violation } from './problems.ts'

const shownLengthMax = 64

/** The body as its schema reads it. @throws {ProblemError} `invalid`, with all that is wrong. */
export function validateBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const result = schema.safeParse(body)
  if (result.success) return result.data
  const violations = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({
          pointer: pointerOf([...issue.path, key]),
          detail: 'there is no such field',
        }))
      : [{ pointer: pointerOf(issue.path), detail: detailOf(issue, body) }],
  )
  throw invalid(violations)
}

/** Path or query parameters as their schema reads them. @throws {ProblemError} `invalid`, with all that is wrong. */
export function validateParameters<Schema extends z.ZodType>(
  schema: Schema,
  parameters: object,
): z.output<Schema> {
  const result = schema.safeParse(parameters)
  if (result.success) return result.data
  throw invalid(
    result.error.issues.map((issue) => ({
      parameter: issue.path.map(String).join('.'),
      detail: detailOf(issue, parameters),
    })),
  )
}

function invalid(violations: readonly Violation[]): ProblemError {
  const named = violations.map(({ pointer, parameter, detail }) => `${pointer ?? parameter ?? ''}: ${detail}`)
  return new ProblemError('invalid', named.join('; '), { violations })
}

function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

function detailOf(issue: z.core.$ZodIssue, input: unknown): string {
  let value = input
  for (const part of issue.path) value = value instanceof Object ? Reflect.get(value, part) : undefined
  if (value === undefined) return `missing; allowed: ${issue.message}`
  return `${shown(value)} is not allowed; allowed: ${issue.message}`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'this'
  return text.length > shownLengthMax ? `${text.slice(0, shownLengthMax).toWellFormed()}…` : text
}

import { z } from 'zod'
import { formatDuration, parseDuration } from './duration.ts'
import { isMap } from './raw.ts'

/** What the schema says of a field besides its type; read by the error messages and by the reference table. */
declare module 'zod' {
  interface GlobalMeta {
    /** What is allowed, where the type and its bounds don't say it. */
    allowed?: string
    /** Of a map with free keys: what a key is, and which are allowed. */
    entry?: string
    names?: string
    /** Values are not shown in errors. */
    secret?: boolean
  }
}

export const section = z.strictObject

export function wholeNumber(min: number, max: number) {
  return z
    .number()
    .superRefine((value, ctx) => {
      if (!Number.isInteger(value) || value < min || value > max) refuse(ctx, value)
    })
    .meta({ allowed: `a whole number from ${min} to ${max}` })
}

/** A part of a whole: 0 to 1. */
export function part() {
  return z
    .number()
    .superRefine((value, ctx) => {
      if (!(value >= 0 && value <= 1)) refuse(ctx, value)
    })
    .meta({ allowed: 'a number from 0 to 1' })
}

/** Milliseconds, written as a duration. */
export function duration(minMs: number, maxMs: number) {
  return z
    .union([z.string(), z.number()])
    .transform((value, ctx) => {
      const ms = parseDuration(value)
      if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms
      refuse(ctx, value)
      return z.NEVER
    })
    .meta({ allowed: `a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}` })
}

const instantPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:\d\d)$/

/** A moment, written as RFC 3339 wants it; read as milliseconds since 1970. */
export function instant() {
  return z
    .string()
    .transform((value, ctx) => {
      const ms = instantPattern.test(value) ? Date.parse(value) : Number.NaN
      if (!Number.isNaN(ms)) return ms
      refuse(ctx, value)
      return z.NEVER
    })
    .meta({ allowed: 'a time with its zone, such as 2027-01-31T12:00:00Z' })
}

/** A text that a test accepts; `allowed` says which those are. */
export function text(isAllowed: RegExp | ((value: string) => boolean), allowed: string) {
  const test = isAllowed instanceof RegExp ? (value: string) => isAllowed.test(value) : isAllowed
  return z
    .string()
    .superRefine((value, ctx) => {
      if (!test(value)) refuse(ctx, value)
    })
    .meta({ allowed })
}

/** 1 to `lengthMax` UTF-16 units, none of them a control character or half of a surrogate pair. */
export const plainText = (lengthMax: number) =>
  text(
    (value) => value.length >= 1 && value.length <= lengthMax && !/[\p{Cc}\p{Cs}]/u.test(value),
    `a text of 1 to ${lengthMax} characters, none of them a control character`,
  )

/** A map whose keys are free, but for a pattern that `name` says in words. */
export function mapOf<Value extends z.ZodType>(
  key: { readonly entry: string; readonly pattern: RegExp; readonly name: string },
  value: Value,
) {
  // Checked beside the values, because zod skips the value of a bad key.
  const checkNames = (map: object, ctx: z.core.ParsePayload): void => {
    for (const name of Object.keys(map).filter((candidate) => !key.pattern.test(candidate)))
      ctx.issues.push({ code: 'invalid_key', origin: 'record', issues: [], path: [name], input: name })
  }
  return z
    .record(z.string(), value)
    .superRefine(checkNames, whenValid())
    .meta({ entry: key.entry, names: key.name })
}

/** Refuses a value for what the field says is allowed. */
function refuse(ctx: z.core.ParsePayload, value: unknown): void {
  ctx.issues.push({ code: 'invalid_value', values: [], input: value })
}

/**
 * Lets a rule between fields run as soon as the fields it names (dotted, from the map it belongs to) are valid by themselves,
 * whatever is wrong beside them: all errors come at once.
 */
export const whenValid = (...fields: string[]) => ({
  when: ({ value, issues }: z.core.ParsePayload): boolean => {
    // An unknown key is reported at the map it stands in, which is valid but for that.
    const invalid = issues.flatMap(({ code, path = [] }) => (code === 'unrecognized_keys' ? [] : [path]))
    const isTouched = (field: string): boolean =>
      invalid.some((path) => path.length > 0 && overlap(field.split('.'), path))
    return isMap(value) && !fields.some(isTouched)
  },
})

function overlap(a: readonly PropertyKey[], b: readonly PropertyKey[]): boolean {
  return a.every((key, at) => at >= b.length || key === b[at])
}

/** Reports a broken rule between fields; `message` says all there is to say. */
export function breaks(ctx: z.core.ParsePayload, path: PropertyKey[], message: string): void {
  ctx.issues.push({ code: 'custom', path, message, input: ctx.value, continue: true })
}

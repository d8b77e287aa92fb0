import { formatDuration, parseDuration } from '../config/duration.ts'

/** Milliseconds of a duration written as in the configuration, such as `5s`. @throws {RangeError} when it is none, or out of range */
export function durationMs(text: string, range: { readonly minMs: number; readonly maxMs: number }): number {
  const ms = /^\d+$/.test(text) ? undefined : parseDuration(text)
  if (ms !== undefined && ms >= range.minMs && ms <= range.maxMs) return ms
  const allowed = `a duration from ${formatDuration(range.minMs)} to ${formatDuration(range.maxMs)}`
  throw new RangeError(`${text} is not allowed; allowed: ${allowed}`)
}

const unitsMs = new Map([
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
])

const pattern = /^(\d{1,9}(?:\.\d{1,9})?) ?(ms|s|m|h)$/

/** Milliseconds of `50ms`, `2s`, `1.5m`, `1h`, or of a number of milliseconds; undefined unless they come to a whole number. */
export function parseDuration(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined
  const [, amount = '', unit = ''] = pattern.exec(value) ?? []
  // Rounded, because 4.35 × 1000 is not 4350 in binary.
  const ms = Number((Number(amount) * (unitsMs.get(unit) ?? NaN)).toFixed(6))
  return Number.isSafeInteger(ms) ? ms : undefined
}

/** The shortest text that `parseDuration` reads as `ms`, a whole number. */
export function formatDuration(ms: number): string {
  const [unit, unitMs] = [...unitsMs].find(([, candidateMs]) => ms !== 0 && ms % candidateMs === 0) ?? [
    'ms',
    1,
  ]
  return `${ms / unitMs}${unit}`
}

import { markdownTable } from '../src/load/markdown-table.ts'

/** One comparison: what we reach, what the baseline reaches in the same run, and their ratio. */
export interface BenchRow {
  readonly name: string
  readonly ours: string
  readonly baseline: string
  readonly ratio: number
  /** What the ratio is meant to reach, such as `≥ 8`. */
  readonly goal?: string
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function perSecond(rate: number): string {
  return `${Math.round(rate).toLocaleString('en-US')}/s`
}

/** The rows as a Markdown table. */
export function table(rows: readonly BenchRow[]): string {
  return markdownTable([
    ['measured', 'ours', 'baseline', 'ratio', 'goal'],
    ...rows.map((row) => [row.name, row.ours, row.baseline, row.ratio.toFixed(2), row.goal ?? '']),
  ])
}

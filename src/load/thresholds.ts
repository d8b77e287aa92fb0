import type { RegionResult } from './meter.ts'

/** What each region has to keep to. */
export interface Thresholds {
  readonly p95MsMax?: number
  /** Of operations due; failed and not sent ones count. */
  readonly errorsPercentMax?: number
}

/** Failed and not sent, as a part of what was due. */
export function errorsPercent({ due, failed, notSent }: RegionResult): number {
  return due === 0 ? 0 : (100 * (failed + notSent)) / due
}

/** Refused by a limit, as a part of what was answered. */
export function exhaustedPercent({ answered, exhausted }: RegionResult): number {
  return answered === 0 ? 0 : (100 * exhausted) / answered
}

/** What is missed, a line each. A region that answered nothing keeps to none. */
export function missedThresholds(
  regions: readonly RegionResult[],
  { p95MsMax, errorsPercentMax }: Thresholds,
): string[] {
  return regions.flatMap((result) => {
    const { region, answered, latencyMs } = result
    const errors = errorsPercent(result)
    const missed: string[] = []
    if (p95MsMax !== undefined && answered === 0)
      missed.push(`${region}: nothing was answered, so there is no p95`)
    if (p95MsMax !== undefined && latencyMs.p95 > p95MsMax)
      missed.push(`${region}: p95 ${latencyMs.p95.toFixed(1)} ms; --max-p95 allows ${p95MsMax} ms`)
    if (errorsPercentMax !== undefined && errors > errorsPercentMax)
      missed.push(`${region}: ${errors.toFixed(2)} % errors; --max-errors allows ${errorsPercentMax} %`)
    return missed
  })
}

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'

/** Milliseconds; of none at all, zeros. */
export interface LatencySummary {
  readonly p50: number
  readonly p95: number
  readonly p99: number
  readonly max: number
  readonly mean: number
}

/** Three significant figures, from a microsecond to an hour. */
const figures = 3
const highestUs = 3_600_000_000

/** Latencies in an HDR histogram: constant memory, and each percentile right to 0.1 %. */
export class Latencies {
  readonly #histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: highestUs, figures })

  get count(): number {
    return this.#histogram.count
  }

  record(ms: number): void {
    this.#histogram.record(Math.min(highestUs, Math.max(1, Math.round(ms * 1000))))
  }

  reset(): void {
    this.#histogram.reset()
  }

  /** Milliseconds that so many percent don't exceed, 0 to 100. */
  percentileMs(percent: number): number {
    if (this.count === 0) return 0
    // Node takes no 0, and a bucket's upper end may lie beyond the greatest value.
    if (percent === 0) return this.#histogram.min / 1000
    return Math.min(this.#histogram.percentile(percent), this.#histogram.max) / 1000
  }

  summary(): LatencySummary {
    return {
      p50: this.percentileMs(50),
      p95: this.percentileMs(95),
      p99: this.percentileMs(99),
      max: this.percentileMs(100),
      mean: this.count === 0 ? 0 : this.#histogram.mean / 1000,
    }
  }
}

import { Latencies, type LatencySummary } from './latencies.ts'
import { outcomeOf, type Step } from './operations.ts'

/** A second of a run. */
export interface Second {
  /** From the start of the run, its ramp included. */
  readonly second: number
  readonly answered: number
  readonly exhausted: number
  readonly failed: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
}

/** What was measured in a region, of operations that were due after the ramp; `seconds` have all of it. */
export interface RegionResult {
  readonly region: string
  readonly url: string
  /** Operations that were due: answered + failed + notSent. */
  readonly due: number
  /** Done, or refused by a limit. */
  readonly answered: number
  /** Refused by a limit. */
  readonly exhausted: number
  /** Answered 202: kept safely in the region until the store is back. */
  readonly queued: number
  readonly failed: number
  /** Due, but every connection was taken until the end. */
  readonly notSent: number
  /** How many failed in which way. */
  readonly failures: Readonly<Record<string, number>>
  /** Operations answered a second, from the end of the ramp to the end of the run, whenever they were due. */
  readonly throughputPerSec: number
  /** Of operations answered, from the time they were due to the last answer: what waiting for a connection took is part of it. */
  readonly latencyMs: LatencySummary
  /** Pairs of percent and milliseconds. */
  readonly percentiles: readonly (readonly [number, number])[]
  /** Of single calls answered 2xx: the first of an operation from the time it was due, others from sending. */
  readonly stepsMs: Readonly<Record<string, LatencySummary>>
  /** From the time an operation was due until it was sent. */
  readonly sendDelayMs: LatencySummary
  readonly seconds: readonly Second[]
}

/** One operation, in milliseconds from the start of the run. */
export interface Finished {
  readonly dueMs: number
  readonly sentMs: number
  readonly endMs: number
  readonly steps: readonly Step[]
}

export interface MeterOptions {
  readonly region: string
  readonly url: string
  readonly rampMs: number
}

const curve = [0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100]

const accepted = 202

/** Counts and times the operations of one region. */
export class Meter {
  readonly #options: MeterOptions
  readonly #latencies = new Latencies()
  readonly #sendDelays = new Latencies()
  readonly #steps = new Map<string, Latencies>()
  readonly #failures = new Map<string, number>()
  readonly #seconds: Second[] = []
  readonly #thisSecond = { latencies: new Latencies(), exhausted: 0, failed: 0 }
  #exhausted = 0
  #queued = 0
  #failed = 0
  #notSent = 0
  #answeredInTime = 0
  #endMs = Number.POSITIVE_INFINITY

  constructor(options: MeterOptions) {
    this.#options = options
  }

  /** The last second that is over. */
  get lastSecond(): Second | undefined {
    return this.#seconds.at(-1)
  }

  /** In order of their ends. */
  record({ dueMs, sentMs, endMs, steps }: Finished): void {
    const outcome = outcomeOf(steps)
    const answered = outcome === 'done' || outcome === 'exhausted'
    this.endSecondsBefore(endMs)
    if (answered) this.#thisSecond.latencies.record(endMs - dueMs)
    else this.#thisSecond.failed++
    if (outcome === 'exhausted') this.#thisSecond.exhausted++
    if (answered && endMs >= this.#options.rampMs && endMs <= this.#endMs) this.#answeredInTime++
    if (dueMs < this.#options.rampMs) return
    this.#sendDelays.record(sentMs - dueMs)
    if (answered) this.#latencies.record(endMs - dueMs)
    else {
      this.#failed++
      this.#failures.set(outcome, (this.#failures.get(outcome) ?? 0) + 1)
    }
    if (outcome === 'exhausted') this.#exhausted++
    if (steps[0]!.answer === accepted) this.#queued++
    this.#recordSteps(steps, sentMs - dueMs)
  }

  /** An operation was due and can't be sent any more. */
  skip(dueMs: number): void {
    if (dueMs >= this.#options.rampMs) this.#notSent++
  }

  /** The run is over: what is answered later doesn't count for the throughput. */
  end(endMs: number): void {
    this.#endMs = endMs
  }

  /** Seconds in which nothing ended are zeros. */
  endSecondsBefore(nowMs: number): void {
    const { latencies } = this.#thisSecond
    while ((this.#seconds.length + 1) * 1000 <= nowMs) {
      const { exhausted, failed } = this.#thisSecond
      const { p50, p95, p99 } = latencies.summary()
      this.#seconds.push({
        second: this.#seconds.length,
        answered: latencies.count,
        exhausted,
        failed,
        p50Ms: p50,
        p95Ms: p95,
        p99Ms: p99,
      })
      latencies.reset()
      this.#thisSecond.exhausted = 0
      this.#thisSecond.failed = 0
    }
  }

  result(): RegionResult {
    const { region, url, rampMs } = this.#options
    const latencies = this.#latencies
    const measuredMs = this.#endMs - rampMs
    return {
      region,
      url,
      due: latencies.count + this.#failed + this.#notSent,
      answered: latencies.count,
      exhausted: this.#exhausted,
      queued: this.#queued,
      failed: this.#failed,
      notSent: this.#notSent,
      failures: Object.fromEntries(this.#failures),
      throughputPerSec: measuredMs > 0 ? (this.#answeredInTime / measuredMs) * 1000 : 0,
      latencyMs: latencies.summary(),
      percentiles: curve.map((percent) => [percent, latencies.percentileMs(percent)] as const),
      stepsMs: Object.fromEntries([...this.#steps].map(([name, times]) => [name, times.summary()])),
      sendDelayMs: this.#sendDelays.summary(),
      seconds: this.#seconds,
    }
  }

  #recordSteps(steps: readonly Step[], sendDelayMs: number): void {
    for (const [at, { name, answer, tookMs }] of steps.entries()) {
      if (typeof answer !== 'number' || answer >= 300) continue
      let times = this.#steps.get(name)
      if (!times) this.#steps.set(name, (times = new Latencies()))
      times.record(at === 0 ? sendDelayMs + tookMs : tookMs)
    }
  }
}

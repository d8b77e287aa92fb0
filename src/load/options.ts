import { workloads, type Workload } from './operations.ts'
import type { Thresholds } from './thresholds.ts'

export interface Target {
  readonly region: string
  /** Of an edge's HTTP API, without a path. */
  readonly url: string
}

export interface LoadOptions {
  readonly targets: readonly Target[]
  readonly workload: Workload
  /** The limit from which `take` takes. */
  readonly limit: string
  /** Operations a second in each region. */
  readonly ratePerSec: number
  readonly arrivals: 'even' | 'poisson'
  readonly rampMs: number
  readonly durationMs: number
  readonly timeoutMs: number
  /** To each region at most; each has one request under way. */
  readonly connections: number
  readonly users: number
  readonly userSkew: number
  readonly subjects: number
  readonly subjectSkew: number
  readonly seed: number
  readonly thresholds: Thresholds
}

/** What the command line gives; all of it text. */
export interface RawLoadOptions {
  /** `region=url`. */
  readonly target: readonly string[]
  readonly workload: string
  readonly limit: string
  readonly rate: string
  readonly arrivals: string
  readonly ramp: string
  readonly duration: string
  readonly timeout: string
  readonly connections: string
  readonly users: string
  readonly userSkew: string
  readonly subjects: string
  readonly subjectSkew: string
  readonly seed: string
  readonly maxP95?: string
  readonly maxErrors?: string
}

/** Options that are not allowed: all of them, a line each. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError'
}

const ratePerSecMax = 1_000_000
const countMax = 1_000_000_000
const connectionsMax = 10_000
const targetsMax = 64
const skewMax = 10
const secondMs = 1000
const dayMs = 86_400_000
const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: secondMs, m: 60_000, h: 3_600_000 }
const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/

/** @throws {OptionsError} */
export function parseLoadOptions(raw: RawLoadOptions, { hasKey }: { hasKey: boolean }): LoadOptions {
  const read = new Reader()
  const options: LoadOptions = {
    targets: readTargets(read, raw.target, hasKey),
    workload: read.choice('--workload', raw.workload, workloads),
    limit: read.text('--limit', raw.limit),
    ratePerSec: read.number('--rate', raw.rate, { min: 0.01, max: ratePerSecMax }),
    arrivals: read.choice('--arrivals', raw.arrivals, ['even', 'poisson'] as const),
    rampMs: read.duration('--ramp', raw.ramp, { min: 0, max: dayMs }),
    durationMs: read.duration('--duration', raw.duration, { min: secondMs, max: 7 * dayMs }),
    timeoutMs: read.duration('--timeout', raw.timeout, { min: secondMs, max: 10 * 60_000 }),
    connections: read.whole('--connections', raw.connections, { min: 1, max: connectionsMax }),
    users: read.whole('--users', raw.users, { min: 1, max: countMax }),
    userSkew: read.number('--user-skew', raw.userSkew, { min: 0, max: skewMax }),
    subjects: read.whole('--subjects', raw.subjects, { min: 1, max: countMax }),
    subjectSkew: read.number('--subject-skew', raw.subjectSkew, { min: 0, max: skewMax }),
    seed: read.whole('--seed', raw.seed, { min: 0, max: 2 ** 31 - 1 }),
    thresholds: {
      ...(raw.maxP95 !== undefined && {
        p95MsMax: read.duration('--max-p95', raw.maxP95, { min: 0, max: dayMs }),
      }),
      ...(raw.maxErrors !== undefined && { errorsPercentMax: read.percent('--max-errors', raw.maxErrors) }),
    },
  }
  if (read.problems.length > 0) throw new OptionsError(read.problems.join('\n'))
  return options
}

interface Range {
  readonly min: number
  readonly max: number
}

/** Reads texts, and notes what is wrong with them; the value is then none to go on with. */
class Reader {
  readonly problems: string[] = []

  refuse(name: string, text: string, allowed: string): void {
    this.problems.push(`${name} ${text} is not allowed; allowed: ${allowed}`)
  }

  number(name: string, text: string, { min, max }: Range): number {
    const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) this.refuse(name, text, `a number from ${min} to ${max}`)
    return value
  }

  whole(name: string, text: string, { min, max }: Range): number {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= min && value <= max)) this.refuse(name, text, `a whole number from ${min} to ${max}`)
    return value
  }

  duration(name: string, text: string, { min, max }: Range): number {
    const [, digits, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
    const value = unit === undefined ? Number.NaN : Number(digits) * unitsMs[unit]!
    if (!(value >= min && value <= max))
      this.refuse(
        name,
        text,
        `a duration such as 250ms, 30s, 5m or 1h, from ${min} ms to ${max / secondMs} s`,
      )
    return value
  }

  percent(name: string, text: string): number {
    const [, digits] = /^(\d+(?:\.\d+)?)%$/.exec(text) ?? []
    const value = Number(digits ?? Number.NaN)
    if (!(value <= 100)) this.refuse(name, text, 'from 0% to 100%')
    return value
  }

  choice<T extends string>(name: string, text: string, choices: readonly T[]): T {
    const found = choices.find((choice) => choice === text)
    if (found === undefined) this.refuse(name, text, choices.join(', '))
    return found ?? choices[0]!
  }

  text(name: string, text: string): string {
    if (text.length === 0 || text.length > 256) this.refuse(name, text, '1 to 256 characters')
    return text
  }
}

function readTargets(read: Reader, texts: readonly string[], hasKey: boolean): Target[] {
  if (texts.length > targetsMax)
    read.problems.push(`--target: ${texts.length} are not allowed; allowed: up to ${targetsMax}`)
  const targets = texts.flatMap((text) => readTarget(read, text, hasKey) ?? [])
  for (const [index, { region }] of targets.entries()) {
    if (targets.findIndex((other) => other.region === region) < index)
      read.problems.push(`--target ${region}: named twice; allowed: each name once`)
  }
  return targets
}

function readTarget(read: Reader, text: string, hasKey: boolean): Target | undefined {
  const [, region, url] = /^([^=\s]{1,64})=(.+)$/.exec(text) ?? []
  const parsed = url !== undefined && URL.canParse(url) ? new URL(url) : undefined
  const isEdge =
    parsed !== undefined &&
    /^https?:$/.test(parsed.protocol) &&
    `${parsed.username}${parsed.password}${parsed.search}${parsed.hash}` === '' &&
    parsed.pathname === '/'
  if (region === undefined || !isEdge) {
    read.refuse('--target', text, 'region=url, the URL http:// or https:// with a host and port only')
    return undefined
  }
  if (hasKey && parsed.protocol === 'http:' && !loopback.test(parsed.hostname)) {
    read.refuse('--target', text, 'https:// with an API key, unless it is this machine')
    return undefined
  }
  return { region, url: parsed.origin }
}

import { performance } from 'node:perf_hooks'
import { connectClient, type Client } from './client.ts'
import { Meter, type RegionResult, type Second } from './meter.ts'
import { OpenLoop } from './open-loop.ts'
import { Operations } from './operations.ts'
import type { LoadOptions } from './options.ts'
import { seededRandom } from './random.ts'
import { Schedule } from './schedule.ts'
import { missedThresholds } from './thresholds.ts'

/** What a load brought. */
export interface LoadResult {
  /** ISO 8601, by this machine's clock. */
  readonly startedAt: string
  /** It was stopped before its time. */
  readonly endedEarly: boolean
  readonly options: LoadOptions
  readonly regions: readonly RegionResult[]
  /** Processor time of this process, in cores: near 1 it measured itself rather than the edges. */
  readonly generatorCores: number
  /** Thresholds that a region missed, a line each. */
  readonly missed: readonly string[]
}

/** How a run stands. */
export interface Progress {
  readonly elapsedMs: number
  readonly regions: readonly {
    readonly region: string
    readonly inFlight: number
    readonly lastSecond: Second | undefined
  }[]
}

export interface RunOptions {
  /** Sent as a bearer token. */
  readonly apiKey: string | undefined
  /** Ends it early: what is under way is still waited for. */
  readonly signal: AbortSignal
  /** Called each second. */
  readonly onProgress: (progress: Progress) => void
}

/** A target doesn't answer, or not as an edge. */
export class TargetError extends Error {
  override readonly name = 'TargetError'
}

const progressIntervalMs = 1000

interface RegionRun {
  readonly region: string
  readonly client: Client
  readonly meter: Meter
  readonly loop: OpenLoop
}

/** Puts the load on all targets at once, and measures. @throws {TargetError} naming every target that can't be reached. */
export async function runLoad(
  options: LoadOptions,
  { apiKey, signal, onProgress }: RunOptions,
): Promise<LoadResult> {
  const { connections, timeoutMs, rampMs, durationMs } = options
  const clients = options.targets.map(({ url }) => connectClient({ url, connections, timeoutMs, apiKey }))
  try {
    await requireHealthy(options, clients)
    const startedAt = new Date().toISOString()
    const startMs = performance.now()
    const cpuBefore = process.cpuUsage()
    const nowMs = (): number => performance.now() - startMs
    const runs = options.targets.map((target, index) =>
      prepare(options, {
        ...target,
        client: clients[index]!,
        index,
        namesUsers: apiKey === undefined,
        nowMs,
      }),
    )
    const timer = setInterval(() => onProgress(progressOf(runs, nowMs())), progressIntervalMs)
    const endMs = await drive(runs, { signal, nowMs, endMs: rampMs + durationMs }).finally(() =>
      clearInterval(timer),
    )
    const { user, system } = process.cpuUsage(cpuBefore)
    const generatorCores = (user + system) / 1000 / nowMs()
    for (const { meter } of runs) meter.endSecondsBefore(nowMs())
    const regions = runs.map(({ meter }) => meter.result())
    return {
      startedAt,
      endedEarly: endMs < rampMs + durationMs,
      options,
      regions,
      generatorCores,
      missed: missedThresholds(regions, options.thresholds),
    }
  } finally {
    await Promise.all(clients.map((client) => client.close()))
  }
}

interface Preparation {
  readonly region: string
  readonly url: string
  readonly client: Client
  readonly index: number
  readonly namesUsers: boolean
  readonly nowMs: () => number
}

function prepare(
  options: LoadOptions,
  { region, url, client, index, namesUsers, nowMs }: Preparation,
): RegionRun {
  // Each region has users of its own choice, and arrivals too.
  const seed = options.seed + index
  const meter = new Meter({ region, url, rampMs: options.rampMs })
  const operations = new Operations({ ...options, namesUsers, seed, nowMs })
  const loop = new OpenLoop({
    schedule: new Schedule({ ...options, random: seededRandom(~seed) }),
    meter,
    inFlightMax: options.connections,
    run: () => operations.run(client),
    nowMs,
  })
  return { region, client, meter, loop }
}

/** Until all operations have ended; answers when the last could be sent. */
async function drive(
  runs: readonly RegionRun[],
  { signal, nowMs, endMs }: { signal: AbortSignal; nowMs: () => number; endMs: number },
): Promise<number> {
  let stoppedMs = endMs
  const stop = (): void => {
    stoppedMs = Math.min(endMs, nowMs())
    for (const { loop } of runs) loop.stop(stoppedMs)
  }
  signal.addEventListener('abort', stop)
  for (const { loop } of runs) loop.start()
  if (signal.aborted) stop()
  await Promise.all(runs.map(({ loop }) => loop.idle))
  signal.removeEventListener('abort', stop)
  return stoppedMs
}

function progressOf(runs: readonly RegionRun[], elapsedMs: number): Progress {
  return {
    elapsedMs,
    regions: runs.map(({ region, meter, loop }) => {
      meter.endSecondsBefore(elapsedMs)
      return { region, inFlight: loop.inFlight, lastSecond: meter.lastSecond }
    }),
  }
}

async function requireHealthy({ targets }: LoadOptions, clients: readonly Client[]): Promise<void> {
  const answers = await Promise.all(clients.map((client) => client.call({ method: 'GET', path: '/health' })))
  const problems = targets.flatMap(({ region, url }, index) => {
    const answer = answers[index]!
    if (answer === 200) return []
    return [`${region}: ${url}/health: ${typeof answer === 'number' ? `answered ${answer}` : answer}`]
  })
  if (problems.length > 0) throw new TargetError(problems.join('\n'))
}

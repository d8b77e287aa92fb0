import { setTimeout } from 'node:timers/promises'
import { regions, type Region, type Regions } from './regions.ts'

/** A take that was answered: when it was asked for and when the answer came, by the caller's clock. */
export interface Take {
  readonly region: Region
  readonly sentMs: number
  readonly answeredMs: number
  readonly allowed: boolean
}

/** Takes one token after another in regions until told to stop, or until so many were asked for in each. */
export async function takeFrom(
  cluster: Regions,
  limit: string,
  key: string,
  options: {
    readonly in?: readonly Region[]
    readonly pauseMs: number
    readonly isOver: (asked: number) => boolean
  },
): Promise<Take[]> {
  const takes: Take[] = []
  const caller = async (region: Region): Promise<void> => {
    for (let asked = 0; !options.isOver(asked); asked++) {
      const sentMs = performance.now()
      const allowed = await take(cluster.url(region), limit, key)
      // Nobody answers while an edge is down.
      if (allowed !== undefined) takes.push({ region, sentMs, answeredMs: performance.now(), allowed })
      await setTimeout(options.pauseMs)
    }
  }
  await Promise.all((options.in ?? regions).map(caller))
  return takes
}

async function take(url: string, limit: string, key: string): Promise<boolean | undefined> {
  try {
    const { status } = await post(`${url}/v1/limits/${limit}/take`, { key, cost: 1 })
    if (status === 200 || status === 429) return status === 200
  } catch {
    return undefined
  }
  throw new Error(`a take was answered neither by 200 nor by 429 in ${url}`)
}

export function post(url: string, body: unknown): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(20_000),
  })
}

export const allowedIn = (takes: readonly Take[], ...some: readonly Region[]): number =>
  takes.filter(({ region, allowed }) => allowed && some.includes(region)).length

/**
 * Whether what was admitted could have come from one token bucket, by the most that refills; answers by how many tokens the worst
 * window passes it, 0 or less if none does. Of a take it is only known that it was decided between question and answer, so
 * a window counts those that lie in it entirely.
 */
export function overBucket(
  takes: readonly Take[],
  { capacity, refillPerSec }: { capacity: number; refillPerSec: number },
): number {
  const admitted = takes.filter(({ allowed }) => allowed)
  const byEnd = admitted.toSorted((a, b) => a.answeredMs - b.answeredMs)
  let worst = Number.NEGATIVE_INFINITY
  for (const { sentMs: fromMs } of admitted) {
    let count = 0
    for (const { sentMs, answeredMs } of byEnd) {
      if (sentMs < fromMs) continue
      count++
      worst = Math.max(worst, count - capacity - (refillPerSec * (answeredMs - fromMs)) / 1000)
    }
  }
  return worst
}

/** The most that were admitted in regions other than one within any time of that length: what a region can't have heard of. */
export function unheard(takes: readonly Take[], withinMs: number): number {
  const admitted = takes.filter(({ allowed }) => allowed)
  return Math.max(
    0,
    ...admitted.map(
      (last) =>
        admitted.filter(
          ({ region, sentMs, answeredMs }) =>
            region !== last.region && answeredMs >= last.sentMs - withinMs && sentMs <= last.answeredMs,
        ).length,
    ),
  )
}

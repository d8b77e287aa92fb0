import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../../sim/random.ts'

/** What a writer did to his rating of a subject; null is its deletion. */
interface Step {
  readonly value: string | null
  readonly outcome: Outcome
}

/** Stored and queued count as done; of the unknown nobody knows; refused was not done. */
type Outcome = 'stored' | 'queued' | 'unknown' | 'refused'

/** All that one writer did, by subject. */
export interface History {
  readonly user: string
  readonly bySubject: ReadonlyMap<string, readonly Step[]>
}

const subjects = ['hot', 'tea', 'rye', 'ink']
const attemptsMax = 4
const answerTimeoutMs = 20_000

/** One user who rates and deletes, one step after another, through any edge, until told to stop. */
export async function runWriter(
  user: string,
  { urls, random, isOver }: { urls: readonly string[]; random: Random; isOver: () => boolean },
): Promise<History> {
  const bySubject = new Map<string, Step[]>()
  for (let n = 0; !isOver(); n++) {
    const subject = random.pick(subjects)
    const steps = bySubject.get(subject) ?? []
    bySubject.set(subject, steps)
    // Long, so that tables grow.
    const value = random.chance(0.06) ? null : `${n} ${random.next()} ${'.'.repeat(random.whole(0, 1500))}`
    const key = value !== null && random.chance(0.4) ? `${user}-${n}` : undefined
    steps.push({ value, outcome: await step(() => random.pick(urls), { user, subject, value, key }) })
    await delay(random.whole(0, 60))
  }
  return { user, bySubject }
}

interface Request {
  readonly user: string
  readonly subject: string
  readonly value: string | null
  readonly key: string | undefined
}

/** A request with a key is sent again, to any edge, until it is answered. */
async function step(edge: () => string, request: Request): Promise<Outcome> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await send(edge(), request)
    if (outcome !== 'unknown' || request.key === undefined || attempt === attemptsMax) return outcome
    await delay(100)
  }
}

async function send(url: string, { user, subject, value, key }: Request): Promise<Outcome> {
  const signal = AbortSignal.timeout(answerTimeoutMs)
  const answer =
    value === null
      ? fetch(`${url}/v1/subjects/${subject}/ratings/${user}?user=${user}`, { method: 'DELETE', signal })
      : fetch(`${url}/v1/ratings?user=${user}`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            ...(key !== undefined && { 'idempotency-key': key }),
          },
          body: JSON.stringify({ subject, score: 1 + (value.length % 5), comment: value }),
          signal,
        })
  const status = await answer.then(
    async (response) => {
      await response.arrayBuffer()
      return response.status
    },
    () => 0,
  )
  if (status === 201 || status === 204) return 'stored'
  if (status === 202) return 'queued'
  if (status === 404) return 'refused'
  // Of 500 the edge tells why in its log, for which the run looks.
  if (status === 0 || status === 500 || status === 503) return 'unknown'
  throw new Error(`a request of ${user} was answered ${status}`)
}

/** What of a history is not as it has to be, given the comments that the store holds; empty if all is well. */
export function wrongs({ user, bySubject }: History, stored: ReadonlyMap<string, string>): string[] {
  return [...bySubject].flatMap(([subject, steps]) => {
    const last = steps.findLastIndex(({ outcome }) => outcome === 'stored' || outcome === 'queued')
    const uncertain = steps.slice(last + 1).filter(({ outcome }) => outcome === 'unknown')
    // The last that was done, or any later one of which nobody knows.
    const allowed = [...(last < 0 ? [null] : [steps[last]!.value]), ...uncertain.map(({ value }) => value)]
    const found = stored.get(subject) ?? null
    if (allowed.includes(found)) return []
    const told = steps.map(({ value, outcome }) => `${value?.split(' ')[0] ?? 'deletion'} ${outcome}`)
    return [`${user} ${subject}: ${found?.split(' ')[0] ?? 'nothing'} is stored after ${told.join(', ')}`]
  })
}

export function countOutcomes(histories: readonly History[]): Record<Outcome, number> {
  const counts = { stored: 0, queued: 0, unknown: 0, refused: 0 }
  for (const { bySubject } of histories)
    for (const steps of bySubject.values()) for (const { outcome } of steps) counts[outcome]++
  return counts
}

import type { Rule, World } from '../rule.ts'

/** Requests of one window in one database: their numbers, in the order they came in, with their place in it. */
type Window = Map<number, number>

/** What a database answered: its window as it was then. A window only grows, so its size then says which part. */
interface Answer {
  readonly region: string
  readonly window: Window
  readonly size: number
  readonly previousSize: number
  readonly allowed: boolean
}

/**
 * Upstash's `MultiRegionRatelimit.slidingWindow`: a database in each region holds the set of the requests of each window. A
 * request runs the script in all databases at once, the first answer decides, and then the databases are sent what they miss.
 *
 * Source: github.com/upstash/ratelimit-js, `src/multi.ts` at a239d583 and `src/lua-scripts/multi.ts` at 7c100816.
 *
 * Mapping: "a burst of `capacity`, `refillPerSec` sustained" becomes `tokens` = capacity for a window of
 * capacity / refillPerSec seconds; windows begin at its multiples, and the previous one counts by the part still in the window.
 *
 * As in the source, and worth knowing:
 * - Every answer carries both windows in full: a request costs bytes in proportion to the limit.
 * - Each database decides for itself whether to count, so a request that the first answer refused may be counted elsewhere.
 * - The answers show the sets before the request. It is added by hand to the first answer only, so an admitted request is sent
 *   to every other database once more, even though they have counted it.
 * - Syncing waits for all answers; with one database out of reach nothing is synced. It sends one request after the other.
 * - A database whose current window is full isn't synced.
 *
 * Bytes (bodies only, HTTP and TLS left out): a script's call is 110 B of command, script hash, time, sizes and id, and two
 * keys with 8 B of window number; its answer 10 B and 23 B for each request in both windows (`"<16 characters>","1",`); an HSET
 * is 50 B with key and id, its answer 12 B.
 *
 * Left out: the cache of refused keys (off by default), the time-out of 5 s after which a request is admitted (the own database
 * answers at once), retries of a call that failed, and the expiry of keys (a window older than the previous one is dropped).
 */
export const upstashMultiRegion: Rule = {
  name: 'Upstash multi-region',
  start(world) {
    const databases = new Map(world.regions.map((region) => [region, createDatabase(world)]))
    let requests = 0
    return {
      take(region, key, decide) {
        const id = requests++
        const nowMs = world.nowMs
        const answers: Answer[] = []
        for (const to of world.regions) {
          world.send({ from: region, to, bytes: callBytes(key) }, () => {
            const answer = { region: to, ...databases.get(to)!.limit(key, id, nowMs) }
            const bytes = 10 + 23 * (answer.size + answer.previousSize)
            world.send({ from: to, to: region, bytes }, () => {
              answers.push(answer)
              if (answers.length === 1) decide(answer.allowed)
              if (answers.length < world.regions.length) return
              const missing = missingIds(answers, id, world.capacity)
              sync(world, { region, key, missing }, (database, missingId) =>
                databases.get(database)!.add(key, missingId, nowMs),
              )
            })
          })
        }
      },
    }
  },
}

function callBytes(key: string): number {
  return 110 + 2 * (key.length + 8)
}

interface Database {
  /** The script of the sliding window, at the caller's time. */
  limit(key: string, id: number, nowMs: number): Omit<Answer, 'region'>
  /** HSET into the window of the caller's time. */
  add(key: string, id: number, nowMs: number): void
}

function createDatabase(world: World): Database {
  const windowMs = (world.capacity / world.refillPerSec) * 1_000
  const windowsOf = new Map<string, Map<number, Window>>()

  function windowOf(key: string, number: number): Window {
    let windows = windowsOf.get(key)
    if (windows === undefined) windowsOf.set(key, (windows = new Map()))
    let window = windows.get(number)
    if (window === undefined) {
      windows.set(number, (window = new Map()))
      for (const old of windows.keys()) if (old < number - 1) windows.delete(old)
    }
    return window
  }

  return {
    limit(key, id, nowMs) {
      const number = Math.floor(nowMs / windowMs)
      const previousSize = windowOf(key, number - 1).size
      const window = windowOf(key, number)
      const size = window.size
      const partInCurrent = (nowMs % windowMs) / windowMs
      const allowed = previousSize * (1 - partInCurrent) + size + 1 <= world.capacity
      if (allowed) insert(window, id)
      return { window, size, previousSize, allowed }
    },
    add: (key, id, nowMs) => insert(windowOf(key, Math.floor(nowMs / windowMs)), id),
  }
}

function insert(window: Window, id: number): void {
  if (!window.has(id)) window.set(id, window.size)
}

/** Which requests each database lacked, by all answers together. `answers[0]` came first. */
function missingIds(
  answers: readonly Answer[],
  id: number,
  capacity: number,
): { database: string; id: number }[] {
  const first = answers[0]!
  const missing: { database: string; id: number }[] = []
  for (const { region, window, size } of answers) {
    const own = first.allowed && region === first.region ? 1 : 0
    if (size + own >= capacity) continue
    const ids = new Set<number>()
    for (const other of answers) {
      for (const [otherId, place] of other.window) {
        if (place >= other.size) break
        const known = window.get(otherId)
        if (known === undefined || known >= size) ids.add(otherId)
      }
      if (other === first && first.allowed && own === 0) ids.add(id)
    }
    for (const missingId of ids) missing.push({ database: region, id: missingId })
  }
  return missing
}

/** Adds the missing requests one after the other, each when the last was answered. */
function sync(
  world: World,
  {
    region,
    key,
    missing,
  }: { region: string; key: string; missing: readonly { database: string; id: number }[] },
  add: (database: string, id: number) => void,
): void {
  function step(index: number): void {
    const next = missing[index]
    if (next === undefined) return
    world.send({ from: region, to: next.database, bytes: 50 + key.length }, () => {
      add(next.database, next.id)
      world.send({ from: next.database, to: region, bytes: 12 }, () => step(index + 1))
    })
  }
  step(0)
}

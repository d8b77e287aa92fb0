import { Kvm } from '@nats-io/kv'
import { connect } from '@nats-io/transport-node'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { Regions, regions, type Region } from './support/regions.ts'
import { allowedIn, overBucket, post, takeFrom, unheard, type Take } from './support/traffic.ts'

/** Small refill, so that what was taken stays to be seen. */
const shares = {
  us: { capacity: 100, refillPerSec: 0.3 },
  eu: { capacity: 80, refillPerSec: 0.2 },
  ap: { capacity: 60, refillPerSec: 0.1 },
}
const whole = { capacity: 240, refillPerSec: 0.6 }
const steady = { capacity: 60, refillPerSec: 60 }
const contactTimeoutMs = 600
const yaml = (some: Record<string, { capacity: number; refillPerSec: number }>): string =>
  JSON.stringify(
    Object.fromEntries(
      Object.entries(some).map(([region, { capacity, refillPerSec }]) => [
        region,
        { capacity, refill_per_sec: refillPerSec },
      ]),
    ),
  )
const each = { capacity: 20, refillPerSec: 20 }
const limits = `
limits:
  ratings: { shares: ${yaml({ us: { capacity: 1e6, refillPerSec: 1e6 }, eu: each, ap: each })} }
  pooled: { mode: pooled, shares: ${yaml(shares)} }
  strict: { mode: strict, shares: ${yaml(shares)} }
  steady: { mode: strict, shares: ${yaml({ us: each, eu: each, ap: each })} }
`

let cluster: Regions
/** One key of a strict limit is asked for in all regions, all the time, whatever happens; ratings are sent all the time, too. */
const traffic = { isOver: false }
let steadily: Promise<Take[]>
let writers: Promise<unknown>
/** The users whose rating got 2xx. */
const acknowledged: string[] = []

interface Bucket {
  readonly capacity: number
  readonly remaining: number
  readonly takenByRegion: Record<string, number>
}

const bucket = async (region: Region, limit: string, key: string): Promise<Bucket> =>
  (await (await fetch(`${cluster.url(region)}/v1/limits/${limit}/buckets/${key}`)).json()) as Bucket

async function write(region: Region): Promise<void> {
  for (let next = 0; !traffic.isOver; next++) {
    const user = `${region}-${next}`
    const answer = await post(`${cluster.url(region)}/rating?user=${user}`, {
      subject: `s${next % 7}`,
      score: 1 + (next % 5),
    }).catch(() => undefined)
    if (answer?.ok) acknowledged.push(user)
    else await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const inContact = (...together: readonly Region[]): Promise<void> =>
  eventually(async () => {
    const capacity = together.reduce((sum, region) => sum + shares[region].capacity, 0)
    for (const region of together)
      expect(await bucket(region, 'pooled', 'nobody')).toMatchObject({ capacity, remaining: capacity })
  })

/** Every region charges every token that callers got, whoever took it, and no other. */
const converged = (key: string, admitted: number): Promise<void> =>
  eventually(async () => {
    for (const region of regions) {
      const { capacity, remaining } = await bucket(region, 'pooled', key)
      // A token or two refill meanwhile.
      expect(Math.abs(capacity - remaining - admitted)).toBeLessThanOrEqual(admitted * 0.02 + 20)
    }
  })

/** What the region's edge knows now is in its next two snapshots. */
async function saved(region: Region): Promise<void> {
  const connection = await connect({ servers: cluster.nats.get(region)!.url })
  const kv = await new Kvm(connection).open(`openclaw_openclaw_${region}_snapshots`)
  const revision = async (): Promise<number> => (await kv.get(`${region}/0.0`))?.revision ?? 0
  const before = await revision()
  await eventually(async () => expect(await revision()).toBeGreaterThan(before + 1))
  await connection.close()
}

const ratingsGoOn = (region: Region): Promise<void> => {
  const before = acknowledged.length
  return eventually(() => {
    expect(acknowledged.slice(before).some((user) => user.startsWith(region))).toBe(true)
  })
}

const inRegions = (takes: readonly Take[], ...some: readonly Region[]): Take[] =>
  takes.filter(({ region }) => some.includes(region))

const until = (asked: number) => (count: number) => count >= asked

beforeAll(async () => {
  cluster = await Regions.start(limits)
  await inContact(...regions)
  steadily = takeFrom(cluster, 'steady', 'somebody', { pauseMs: 20, isOver: () => traffic.isOver })
  writers = Promise.all(regions.map(write))
})

afterAll(() => cluster.stop())

test('a burst in all regions at once passes the pooled limit by no more than what was unheard, and the strict one by nothing', async () => {
  const [pooled, strict] = await Promise.all(
    ['pooled', 'strict'].map((limit) =>
      takeFrom(cluster, limit, 'alice', { pauseMs: 5, isOver: until(200) }),
    ),
  )
  expect(overBucket(strict!, whole)).toBeLessThanOrEqual(0)
  expect(allowedIn(strict!, ...regions)).toBeGreaterThan(whole.capacity * 0.9)
  expect(overBucket(pooled!, whole)).toBeLessThanOrEqual(unheard(pooled!, contactTimeoutMs))
  const admitted = allowedIn(pooled!, ...regions)
  expect(admitted).toBeGreaterThanOrEqual(whole.capacity)
  await converged('alice', admitted)
  // All agree on who took what, but for what was kept back when little was owed.
  const keptBack = whole.capacity / 16
  await eventually(async () => {
    const views = await Promise.all(regions.map((region) => bucket(region, 'pooled', 'alice')))
    for (const { takenByRegion } of views) expect(takenByRegion).toEqual(views[0]!.takenByRegion)
    for (const region of regions) {
      const hidden = allowedIn(pooled!, region) - views[0]!.takenByRegion[region]!
      expect(hidden).toBeGreaterThanOrEqual(0)
      expect(hidden).toBeLessThanOrEqual(keptBack)
    }
  })
})

test('a region that is cut off has its own share, the others have theirs, and all know afterwards what both took', async () => {
  cluster.cut('ap')
  await inContact('us', 'eu')
  await inContact('ap')
  const takes = await takeFrom(cluster, 'pooled', 'bob', { pauseMs: 5, isOver: until(150) })
  expect(overBucket(takes, whole)).toBeLessThanOrEqual(
    unheard(inRegions(takes, 'us', 'eu'), contactTimeoutMs),
  )
  expect(allowedIn(takes, 'ap')).toBeGreaterThanOrEqual(shares.ap.capacity)
  expect(overBucket(inRegions(takes, 'ap'), shares.ap)).toBeLessThanOrEqual(0)
  expect(allowedIn(takes, 'us', 'eu')).toBeGreaterThanOrEqual(shares.us.capacity + shares.eu.capacity)
  await ratingsGoOn('us')
  cluster.heal('ap')
  await inContact(...regions)
  await converged('bob', allowedIn(takes, ...regions))
  await ratingsGoOn('ap')
})

test('a region comes back cold while it is cut off, and knows what was owed', async () => {
  const takes = await takeFrom(cluster, 'pooled', 'carol', { in: ['us'], pauseMs: 0, isOver: until(200) })
  expect(allowedIn(takes, 'us')).toBe(200)
  await converged('carol', 200)
  await saved('eu')
  cluster.cutNews('eu')
  await cluster.edge('eu').stop('SIGKILL')
  await cluster.startEdge('eu')
  const owed = shares.eu.capacity * (200 / whole.capacity)
  const { capacity, remaining } = await bucket('eu', 'pooled', 'carol')
  expect(capacity).toBe(shares.eu.capacity)
  expect(remaining).toBeLessThanOrEqual(shares.eu.capacity - owed + 20)
  expect(remaining).toBeGreaterThan(0)
  cluster.heal('eu')
  await inContact(...regions)
  await converged('carol', 200)
  await ratingsGoOn('eu')
})

test('a NATS server is killed and started again: its region is alone meanwhile, and nothing is charged twice or lost', async () => {
  const before = await takeFrom(cluster, 'pooled', 'dave', { pauseMs: 5, isOver: until(20) })
  await converged('dave', allowedIn(before, ...regions))
  await cluster.nats.get('eu')!.kill()
  await inContact('eu')
  const during = await takeFrom(cluster, 'pooled', 'dave', { pauseMs: 5, isOver: until(20) })
  expect(allowedIn(during, 'eu')).toBeGreaterThan(0)
  await cluster.nats.get('eu')!.restart()
  await inContact(...regions)
  await converged('dave', allowedIn([...before, ...during], ...regions))
  await ratingsGoOn('eu')
})

test('an edge that is killed comes back, and charges what the others tell it', async () => {
  const takes = await takeFrom(cluster, 'pooled', 'erin', { pauseMs: 5, isOver: until(30) })
  expect(await cluster.edge('us').stop('SIGKILL')).toBeNull()
  await inContact('eu', 'ap')
  await cluster.startEdge('us')
  await inContact(...regions)
  await converged('erin', allowedIn(takes, ...regions))
  await ratingsGoOn('us')
})

test('a second process of the same name is refused, and says who has it', async () => {
  const second = await cluster.spawnEdge('us')
  expect(await second.ended()).toBe(1)
  expect(second.output()).toContain('replica us/0 runs already')
  expect(second.output()).toContain('--ordinal')
})

test('after all that no rating is lost that was acknowledged, summaries count each once, and the strict limit held', async () => {
  traffic.isOver = true
  await writers
  expect(overBucket(await steadily, steady)).toBeLessThanOrEqual(0)
  const sql = postgres(cluster.postgres.url, { max: 1 })
  const stored = await sql<{ user: string }[]>`select user_id as user from ratings`
  const users = new Set(stored.map(({ user }) => user))
  expect(acknowledged.filter((user) => !users.has(user))).toEqual([])
  expect(acknowledged.length).toBeGreaterThan(100)
  const counts = await sql<{ subject: string; count: number }[]>`
    select subject, count(*)::int as count from ratings group by subject`
  for (const { subject, count } of counts) {
    const answer = await fetch(`${cluster.url('us')}/v1/subjects/${subject}`)
    expect(await answer.json()).toMatchObject({ subject, count })
  }
  await sql.end()
})

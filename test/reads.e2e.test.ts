import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { Regions, regions, type Region } from './support/regions.ts'
import { post } from './support/traffic.ts'

let cluster: Regions

beforeAll(async () => {
  const shares = regions.map((region) => `${region}: { capacity: 10000, refill_per_sec: 1000 }`)
  cluster = await Regions.start(`token_buckets: { ${shares.join(', ')} }`)
})
afterAll(() => cluster.stop())

const rate = (region: Region, subject: string, user: string): Promise<Response> =>
  post(`${cluster.url(region)}/rating?user=${user}`, { subject, score: 5 })

/** The count in a region's summary, and how its cache answered. */
async function read(region: Region, subject: string): Promise<{ count: number; cache: string }> {
  const answer = await fetch(`${cluster.url(region)}/v1/subjects/${subject}`)
  if (answer.status !== 200) throw new Error(`a read was answered ${answer.status}`)
  const { count } = (await answer.json()) as { count: number }
  return { count, cache: answer.headers.get('cache-status')! }
}

async function misses(region: Region): Promise<number> {
  const text = await (await fetch(`${cluster.url(region)}/metrics`)).text()
  return Number(text.match(/^openclaw_cache_requests_total\{result="miss"[^}]*\} (\d+)/m)![1])
}

test('a thousand readers at once in a region far from the store make one query', async () => {
  const before = await misses('ap')
  const answers = await Promise.all(Array.from({ length: 1000 }, () => read('ap', 'herd')))
  expect(new Set(answers.map(({ count }) => count))).toEqual(new Set([0]))
  expect(await misses('ap')).toBe(before + 1)
})

test('a region reads its writes at once, and another soon, though both had the old value in memory', async () => {
  for (let written = 1; written <= 10; written++) {
    await Promise.all([read('us', 'tea'), read('eu', 'tea')])
    expect((await rate('eu', 'tea', `user${written}`)).status).toBe(200)
    expect(await read('eu', 'tea')).toMatchObject({ count: written })
    await eventually(async () => expect(await read('us', 'tea')).toMatchObject({ count: written }))
  }
})

test('while the store is killed reads go on and say so; afterwards they are right again', async () => {
  await rate('us', 'outage', 'alice')
  await read('us', 'outage')
  await cluster.postgres.kill()
  // Queued; and for all the edge knows it may be stored.
  expect((await rate('us', 'outage', 'bob')).status).toBe(202)
  const old = { count: 1, cache: 'openclaw; fwd=stale; detail=store-unavailable; ttl=0' }
  expect(await read('us', 'outage')).toMatchObject(old)
  for (let n = 0; n < 100; n++) expect(await read('us', 'outage')).toMatchObject(old)
  await cluster.postgres.restart()
  await eventually(async () => expect(await read('us', 'outage')).toMatchObject({ count: 2 }))
  expect((await rate('us', 'outage', 'carol')).status).toBe(200)
  expect(await read('us', 'outage')).toMatchObject({ count: 3, cache: 'openclaw; fwd=miss' })
})

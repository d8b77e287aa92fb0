import { expect, test } from 'vitest'
import type { Answer, Call, Client } from './client.ts'
import { Operations, outcomeOf, type OperationsOptions } from './operations.ts'

const options: OperationsOptions = {
  workload: 'rate-and-read',
  limit: 'ratings',
  users: 100,
  userSkew: 1,
  subjects: 50,
  subjectSkew: 1,
  namesUsers: true,
  seed: 3,
  nowMs: () => 0,
}

/** Answers all calls alike, and notes them. */
function recording(answer: Answer): { client: Client; calls: Call[] } {
  const calls: Call[] = []
  const call = (one: Call): Promise<Answer> => {
    calls.push(one)
    return Promise.resolve(answer)
  }
  return { calls, client: { call, close: () => Promise.resolve() } }
}

async function callsOf(change: Partial<OperationsOptions>, count: number): Promise<Call[]> {
  const { client, calls } = recording(200)
  const operations = new Operations({ ...options, ...change })
  for (let i = 0; i < count; i++) await operations.run(client)
  return calls
}

test('a rating is written as the guide does, and the summary of its subject read', async () => {
  const [write, read] = await callsOf({}, 1)
  expect(write).toMatchObject({ method: 'POST' })
  expect(write!.path).toMatch(/^\/rating\?user=load-user-\d+$/)
  const { subject, score } = JSON.parse(write!.body!) as { subject: string; score: number }
  expect([1, 2, 3, 4, 5]).toContain(score)
  expect(read).toEqual({ method: 'GET', path: `/v1/subjects/${subject}` })
})

test('with a key no user is named: callers are whom the key says', async () => {
  expect((await callsOf({ namesUsers: false }, 1))[0]!.path).toBe('/rating')
})

test('take takes a token of the limit for a user', async () => {
  const [take] = await callsOf({ workload: 'take', limit: 'a b' }, 1)
  expect(take!.path).toBe('/v1/limits/a%20b/take')
  expect(JSON.parse(take!.body!)).toEqual({ key: expect.stringMatching(/^load-user-\d+$/) })
})

test('the same seed makes the same operations', async () => {
  expect(await callsOf({}, 30)).toEqual(await callsOf({}, 30))
  expect(await callsOf({ seed: 4 }, 30)).not.toEqual(await callsOf({}, 30))
})

test.each([
  [429, 'exhausted'],
  [503, 'HTTP 503'],
  ['timeout', 'timeout'],
] as const)('a write answered %s ends the operation: %s', async (answer, outcome) => {
  const { client, calls } = recording(answer)
  expect(outcomeOf(await new Operations(options).run(client))).toBe(outcome)
  expect(calls).toHaveLength(1)
})

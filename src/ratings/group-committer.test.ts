import { beforeEach, describe, expect, test } from 'vitest'
import { StoreUnavailableError } from './errors.ts'
import { GroupCommitter, type CommittedBatch } from './group-committer.ts'
import type { Rating, RatingWrite } from './types.ts'

const now = new Date(0)
const write = (user: string): RatingWrite => ({ subject: 'tea', user, score: 3, comment: null })
const stored = (writes: readonly RatingWrite[]): Rating[] =>
  writes.map((one) => ({ ...one, createdAt: now, updatedAt: now }))

/** Lets what is ready run: promises settle in a few turns of the microtask queue. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

let scheduled: { run: () => void; delayMs: number }[]
let commits: { users: string[]; succeed: () => void; fail: (error: Error) => void }[]
let batches: CommittedBatch[]
let committer: GroupCommitter

const runTimers = (): void => {
  for (const { run } of scheduled.splice(0)) run()
}

beforeEach(() => {
  ;[scheduled, commits, batches] = [[], [], []]
  committer = new GroupCommitter({
    commit: (writes) =>
      new Promise((resolve, reject) => {
        commits.push({
          users: writes.map(({ user }) => user),
          succeed: () => resolve(stored(writes)),
          fail: reject,
        })
      }),
    maxDelayMs: 2,
    batchMax: 3,
    inFlightMax: 2,
    queueMax: 5,
    onBatch: (batch) => batches.push(batch),
    nowMs: () => 0,
    schedule: (run, delayMs) => {
      const entry = { run, delayMs }
      scheduled.push(entry)
      return () => {
        scheduled = scheduled.filter((other) => other !== entry)
      }
    },
  })
})

describe('batches', () => {
  test('what has come when the store is idle goes together at once', async () => {
    const answers = Promise.all([committer.put(write('a')), committer.put(write('b'))])
    expect(scheduled.map(({ delayMs }) => delayMs)).toEqual([0])
    runTimers()
    expect(commits.map(({ users }) => users)).toEqual([['a', 'b']])
    commits[0]!.succeed()
    expect((await answers).map(({ user }) => user)).toEqual(['a', 'b'])
  })

  test('while a batch is under way the next waits for its delay, or goes when it is full', async () => {
    void committer.put(write('a'))
    runTimers()
    void committer.put(write('b'))
    expect(scheduled.map(({ delayMs }) => delayMs)).toEqual([2])
    void committer.put(write('c'))
    void committer.put(write('d'))
    expect(commits.map(({ users }) => users)).toEqual([['a'], ['b', 'c', 'd']])
    expect(scheduled).toEqual([])
  })

  test('no more than so many batches are under way; who waits goes when one comes back', async () => {
    for (const user of ['a', 'b', 'c', 'd', 'e', 'f']) void committer.put(write(user))
    void committer.put(write('g'))
    runTimers()
    expect(commits.map(({ users }) => users)).toEqual([
      ['a', 'b', 'c'],
      ['d', 'e', 'f'],
    ])
    commits[0]!.succeed()
    await settle()
    expect(commits.at(-1)!.users).toEqual(['g'])
  })

  test('a caller is answered only when his rating is committed', async () => {
    let answered = false
    void committer.put(write('a')).then(() => (answered = true))
    runTimers()
    await settle()
    expect(answered).toBe(false)
    commits[0]!.succeed()
    await settle()
    expect(answered).toBe(true)
  })
})

describe('failures', () => {
  test('a store that is unavailable fails everybody in the batch, and is not asked again for it', async () => {
    const failures = [committer.put(write('a')), committer.put(write('b'))].map((one) =>
      one.catch((error: unknown) => error),
    )
    runTimers()
    commits[0]!.fail(new StoreUnavailableError('down', { retryAfterMs: 1000 }))
    expect(await Promise.all(failures)).toEqual([
      expect.any(StoreUnavailableError),
      expect.any(StoreUnavailableError),
    ])
    expect(commits).toHaveLength(1)
    expect(batches).toEqual([expect.objectContaining({ failed: true })])
  })

  test('of a batch with data that the store refuses only the write at fault fails', async () => {
    const outcomes = ['a', 'bad', 'c'].map((user) =>
      committer.put(write(user)).then(
        () => 'stored',
        (error: unknown) => String(error),
      ),
    )
    for (let i = 0; i < commits.length || i < 1; i++) {
      runTimers()
      const { users, succeed, fail } = commits[i]!
      if (users.includes('bad')) fail(new Error('refused'))
      else succeed()
      await settle()
    }
    expect(await Promise.all(outcomes)).toEqual(['stored', 'Error: refused', 'stored'])
  })

  test('a full queue refuses more, and says when to come again', async () => {
    for (let n = 0; n < 11; n++) void committer.put(write(`user${n}`))
    expect(committer.queued).toBe(5)
    const refused = await committer.put(write('late')).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(StoreUnavailableError)
    expect(refused).toMatchObject({ retryAfterMs: 1000 })
  })
})

test('draining resolves when nothing waits and nothing is under way', async () => {
  await committer.drain()
  void committer.put(write('a'))
  runTimers()
  void committer.put(write('b'))
  let drained = false
  void committer.drain().then(() => (drained = true))
  commits[0]!.succeed()
  await settle()
  expect(drained).toBe(false)
  commits[1]!.succeed()
  await settle()
  expect(drained).toBe(true)
})

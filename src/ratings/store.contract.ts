import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CursorError, IdempotencyKeyReusedError } from './errors.ts'
import type { RatingStore } from './store.ts'
import type { Rating, RatingWrite } from './types.ts'

const write = (subject: string, user: string, score: number, comment: string | null = null): RatingWrite => ({
  subject,
  user,
  score,
  comment,
})

/** Stores writes, none of which has a key that was used before. */
const put = async (store: RatingStore, ...writes: RatingWrite[]): Promise<Rating[]> => {
  const outcomes = await store.putMany(writes)
  return outcomes.map((outcome) => {
    if (outcome instanceof Error) throw outcome
    return outcome
  })
}

/** What every rating store promises; `open` makes an empty one. */
export function runStoreContract(name: string, open: () => Promise<RatingStore>): void {
  describe(`rating store: ${name}`, () => {
    let store: RatingStore
    beforeAll(async () => {
      store = await open()
    })
    afterAll(() => store.close())

    test('a stored rating is found, and counted in the summary', async () => {
      const [stored] = await store.putMany([write('tea', 'alice', 4, 'Good.')])
      expect(stored).toMatchObject({ subject: 'tea', user: 'alice', score: 4, comment: 'Good.' })
      expect(await store.find('tea', 'alice')).toEqual(stored)
      expect(await store.scores('tea')).toEqual({ count: 1, histogram: [0, 0, 0, 1, 0] })
    })

    test('texts are kept as they are, whatever they mean elsewhere', async () => {
      for (const text of ['null', '', '{a,b}', 'a "quoted" \\ word', '\\n', " ' ", 'line\nbreak, ☕']) {
        const [stored] = await put(
          store,
          write(`"${text}"\\`, 'alice', 4, text),
          write('{}', 'null', 4, null),
        )
        expect(await store.find(`"${text}"\\`, 'alice')).toEqual(stored)
        expect(stored!.comment).toBe(text)
      }
    })

    test('sending again replaces the rating and keeps when it was created', async () => {
      const [first] = await put(store, write('again', 'alice', 1, 'Bad.'))
      const [second] = await put(store, write('again', 'alice', 5))
      expect(second!.createdAt).toEqual(first!.createdAt)
      expect(second!.updatedAt.getTime()).toBeGreaterThanOrEqual(first!.updatedAt.getTime())
      expect(await store.find('again', 'alice')).toEqual(second)
      expect(await store.scores('again')).toEqual({ count: 1, histogram: [0, 0, 0, 0, 1] })
    })

    test('of two for the same subject and user in a batch the later stays, and each is answered as sent', async () => {
      const answers = await put(
        store,
        write('twice', 'bob', 2),
        write('twice', 'carol', 3),
        write('twice', 'bob', 5),
      )
      expect(answers.map(({ user, score }) => [user, score])).toEqual([
        ['bob', 2],
        ['carol', 3],
        ['bob', 5],
      ])
      expect(await store.scores('twice')).toEqual({ count: 2, histogram: [0, 0, 1, 0, 1] })
    })

    test('what is not there is not found, has no scores, and is not removed', async () => {
      expect(await store.find('nothing', 'nobody')).toBeUndefined()
      expect(await store.scores('nothing')).toEqual({ count: 0, histogram: [0, 0, 0, 0, 0] })
      expect(await store.remove('nothing', 'nobody')).toBe(false)
    })

    test('a removed rating is gone from everything', async () => {
      await store.putMany([write('gone', 'alice', 3), write('gone', 'bob', 4)])
      expect(await store.remove('gone', 'alice')).toBe(true)
      expect(await store.find('gone', 'alice')).toBeUndefined()
      expect(await store.scores('gone')).toEqual({ count: 1, histogram: [0, 0, 0, 1, 0] })
      expect((await store.list('gone', { limit: 10 })).items.map(({ user }) => user)).toEqual(['bob'])
    })

    test('pages list every rating once, the newest change first', async () => {
      const users = Array.from({ length: 23 }, (_, i) => `user ${i} ☕`)
      for (const user of users) await store.putMany([write('paged', user, 3)])
      await store.putMany([write('paged', users[0]!, 4)])
      const seen: Rating[] = []
      let cursor: string | undefined
      do {
        const page = await store.list('paged', { limit: 5, ...(cursor !== undefined && { cursor }) })
        expect(page.items.length).toBeLessThanOrEqual(5)
        seen.push(...page.items)
        cursor = page.nextCursor ?? undefined
      } while (cursor !== undefined)
      expect(seen.map(({ user }) => user).toSorted()).toEqual(users.toSorted())
      const times = seen.map(({ updatedAt }) => updatedAt.getTime())
      expect(times).toEqual(times.toSorted((a, b) => b - a))
      expect(seen[0]!.updatedAt).toEqual((await store.find('paged', users[0]!))!.updatedAt)
    })

    test.each(['', 'x', 'AAAA', Buffer.from('12 ').toString('base64url'), 'x'.repeat(5000)])(
      'the cursor %j of somebody else is refused',
      async (cursor) => {
        await expect(store.list('paged', { cursor, limit: 5 })).rejects.toThrow(CursorError)
      },
    )

    test('a write that the database refuses leaves nothing of its batch behind', async () => {
      await expect(
        store.putMany([write('refused', 'a', 3), write('refused', 'b', 3, 'NUL: \0')]),
      ).rejects.toThrow(/./)
      expect(await store.scores('refused')).toMatchObject({ count: 0 })
    })

    describe('late writes', () => {
      const late = (user: string, score: number, acceptedAt: Date): RatingWrite => ({
        ...write('late', user, score),
        acceptedAtMicros: acceptedAt.getTime() * 1000,
      })
      const long = new Date('2020-01-01T00:00:00Z')

      test('one that was accepted before the rating that is there changes nothing', async () => {
        const [there] = await put(store, write('late', 'alice', 4))
        await put(store, late('alice', 1, long))
        expect(await store.find('late', 'alice')).toEqual(there)
        expect(await store.scores('late')).toMatchObject({ count: 1, histogram: [0, 0, 0, 1, 0] })
      })

      test('they replace each other in the order in which they were accepted, and each may come twice', async () => {
        const at = (ms: number): Date => new Date(long.getTime() + ms)
        await put(store, late('bob', 2, at(2)))
        await put(store, late('bob', 3, at(3)), late('bob', 1, at(1)))
        for (const ms of [1, 2, 3]) await put(store, late('bob', ms, at(ms)))
        expect(await store.find('late', 'bob')).toMatchObject({
          score: 3,
          createdAt: at(2),
          updatedAt: at(3),
        })
      })

      test('one that was accepted before a deletion does not undo it; one after it does', async () => {
        await put(store, write('late', 'carol', 4))
        await store.remove('late', 'carol')
        await put(store, late('carol', 1, long))
        expect(await store.find('late', 'carol')).toBeUndefined()
        expect(await store.scores('late')).toMatchObject({ count: 2 })
        await put(store, late('carol', 2, new Date(Date.now() + 3_600_000)))
        expect(await store.find('late', 'carol')).toMatchObject({ score: 2 })
        expect(await store.scores('late')).toMatchObject({ count: 3 })
      })

      test('of a batch with both the one without a time of acceptance stays', async () => {
        await put(store, write('late', 'dave', 5), late('dave', 1, long))
        expect(await store.find('late', 'dave')).toMatchObject({ score: 5 })
      })
    })

    describe('idempotency keys', () => {
      const keyed = (key: string, user: string, score: number, subject = 'keyed'): RatingWrite => ({
        ...write(subject, user, score),
        idempotencyKey: key,
      })

      test('a repeated request changes nothing, and is answered as before', async () => {
        const [first] = await put(store, keyed('1', 'alice', 2))
        const [second] = await put(store, keyed('2', 'alice', 4))
        expect(await put(store, keyed('1', 'alice', 2))).toEqual([first])
        expect(await store.find('keyed', 'alice')).toEqual(second)
        expect(await store.scores('keyed')).toEqual({ count: 1, histogram: [0, 0, 0, 1, 0] })
      })

      test('a key that comes with another score or subject is refused; the rest of the batch is stored', async () => {
        await put(store, keyed('3', 'bob', 3))
        const [score, subject, other] = await store.putMany([
          keyed('3', 'bob', 4),
          keyed('4', 'carol', 5),
          keyed('3', 'bob', 3, 'keyed elsewhere'),
        ])
        expect(score).toBeInstanceOf(IdempotencyKeyReusedError)
        expect(subject).toMatchObject({ user: 'carol', score: 5 })
        expect(other).toBeInstanceOf(IdempotencyKeyReusedError)
        expect(await store.find('keyed', 'bob')).toMatchObject({ score: 3 })
        expect(await store.find('keyed elsewhere', 'bob')).toBeUndefined()
      })

      test('keys are their users own', async () => {
        await put(store, keyed('5', 'erin', 3), keyed('5', 'frank', 4))
        expect(await store.find('keyed', 'frank')).toMatchObject({ score: 4 })
      })

      test('within a batch, too: the first with a key counts', async () => {
        const outcomes = await store.putMany([
          keyed('6', 'gina', 1),
          keyed('6', 'gina', 1),
          keyed('6', 'gina', 2),
        ])
        expect(outcomes[1]).toEqual(outcomes[0])
        expect(outcomes[2]).toBeInstanceOf(IdempotencyKeyReusedError)
        expect(await store.find('keyed', 'gina')).toMatchObject({ score: 1 })
      })

      test('the same request at the same time, many times, is one', async () => {
        const outcomes = await Promise.all(Array.from({ length: 8 }, () => put(store, keyed('7', 'hugo', 5))))
        expect(new Set(outcomes.map(([rating]) => rating!.updatedAt.getTime())).size).toBe(1)
      })

      test('what is older than told is forgotten', async () => {
        await put(store, keyed('8', 'ivan', 2))
        await store.forgetBefore(new Date(Date.now() - 60_000))
        expect((await store.putMany([keyed('8', 'ivan', 3)]))[0]).toBeInstanceOf(IdempotencyKeyReusedError)
        await store.forgetBefore(new Date(Date.now() + 60_000))
        await put(store, keyed('8', 'ivan', 3))
        expect(await store.find('keyed', 'ivan')).toMatchObject({ score: 3 })
      })
    })

    test('after any writes and removals a summary is what its ratings come to', async () => {
      const subjects = ['p', 'q', '☕']
      const users = ['a', 'b', 'c', 'd']
      const oneWrite = fc.record({
        subject: fc.constantFrom(...subjects),
        user: fc.constantFrom(...users),
        score: fc.integer({ min: 1, max: 5 }),
        comment: fc.constant(null),
      })
      const step = fc.oneof(
        fc.array(oneWrite, { minLength: 1, maxLength: 12 }),
        fc.record({ subject: fc.constantFrom(...subjects), user: fc.constantFrom(...users) }),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
          for (const one of steps)
            await (Array.isArray(one) ? store.putMany(one) : store.remove(one.subject, one.user))
          for (const subject of subjects) {
            const { items } = await store.list(subject, { limit: 100 })
            const histogram = [1, 2, 3, 4, 5].map(
              (score) => items.filter((item) => item.score === score).length,
            )
            expect(await store.scores(subject)).toEqual({ count: items.length, histogram })
          }
        }),
        { numRuns: 40 },
      )
    })

    test('it answers a ping', async () => {
      await expect(store.ping()).resolves.toBeUndefined()
    })
  })
}

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CursorError } from './errors.ts'
import type { RatingStore } from './store.ts'
import type { Rating, RatingWrite } from './types.ts'

const write = (subject: string, user: string, score: number, comment: string | null = null): RatingWrite => ({
  subject,
  user,
  score,
  comment,
})

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

    test('sending again replaces the rating and keeps when it was created', async () => {
      const [first] = await store.putMany([write('again', 'alice', 1, 'Bad.')])
      const [second] = await store.putMany([write('again', 'alice', 5)])
      expect(second!.createdAt).toEqual(first!.createdAt)
      expect(second!.updatedAt.getTime()).toBeGreaterThanOrEqual(first!.updatedAt.getTime())
      expect(await store.find('again', 'alice')).toEqual(second)
      expect(await store.scores('again')).toEqual({ count: 1, histogram: [0, 0, 0, 0, 1] })
    })

    test('of two for the same subject and user in a batch the later stays, and each is answered as sent', async () => {
      const answers = await store.putMany([
        write('twice', 'bob', 2),
        write('twice', 'carol', 3),
        write('twice', 'bob', 5),
      ])
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

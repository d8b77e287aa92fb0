import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EventQueue } from '../../sim/event-queue.ts'
import { StoreUnavailableError } from './errors.ts'
import { GroupCommitter } from './group-committer.ts'
import type { Rating, RatingWrite } from './types.ts'

const stepMs = 0.5
const now = new Date(0)

/** Lets promises settle that nothing but others hold up. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 12; turn++) await Promise.resolve()
}

const load = fc.record({
  maxDelayMs: fc.integer({ min: 0, max: 20 }),
  batchMax: fc.integer({ min: 1, max: 40 }),
  inFlightMax: fc.integer({ min: 1, max: 6 }),
  /** Of the store. */
  roundTripMs: fc.double({ min: 0, max: 60, noNaN: true }),
  writeMs: fc.double({ min: 0, max: 0.5, noNaN: true }),
  /** Every so manieth batch fails; 0 for none. */
  failEvery: fc.integer({ min: 0, max: 5 }),
  gapsMs: fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 120 }),
})

test('in virtual time, at any load: bounds hold, each write goes once, and waits no longer than it may', async () => {
  await fc.assert(
    fc.asyncProperty(load, async ({ roundTripMs, writeMs, failEvery, gapsMs, ...bounds }) => {
      const events = new EventQueue()
      const sent = new Map<string, number>()
      const arrivedMs = new Map<string, number>()
      let inFlight = 0
      let batches = 0
      let mostInFlight = 0
      let biggest = 0
      /** When a batch could go for the last time after none could. */
      let freeSinceMs = 0
      let longestWaitMs = 0

      const commit = (writes: readonly RatingWrite[]): Promise<Rating[]> => {
        batches++
        inFlight++
        mostInFlight = Math.max(mostInFlight, inFlight)
        biggest = Math.max(biggest, writes.length)
        for (const { user } of writes) {
          sent.set(user, (sent.get(user) ?? 0) + 1)
          const waitedMs = events.nowMs - Math.max(arrivedMs.get(user)!, freeSinceMs)
          longestWaitMs = Math.max(longestWaitMs, waitedMs)
        }
        const fails = failEvery > 0 && batches % failEvery === 0
        return new Promise((resolve, reject) => {
          events.after(roundTripMs + writes.length * writeMs, () => {
            if (inFlight-- === bounds.inFlightMax) freeSinceMs = events.nowMs
            if (fails) reject(new StoreUnavailableError('away', { retryAfterMs: 1 }))
            else resolve(writes.map((write) => ({ ...write, createdAt: now, updatedAt: now })))
          })
        })
      }
      const committer = new GroupCommitter({
        ...bounds,
        commit,
        queueMax: 1000,
        nowMs: () => events.nowMs,
        schedule: (run, delayMs) => {
          let isOff = false
          events.after(delayMs, () => {
            if (!isOff) run()
          })
          return () => {
            isOff = true
          }
        },
      })

      let answered = 0
      let atMs = 0
      for (const [n, gapMs] of gapsMs.entries()) {
        atMs += gapMs
        events.at(atMs, () => {
          arrivedMs.set(`user${n}`, events.nowMs)
          const note = (): number => answered++
          void committer.put({ subject: 'tea', user: `user${n}`, score: 3, comment: null }).then(note, note)
        })
      }
      const endMs = atMs + gapsMs.length * (roundTripMs + 60) + 100
      while (answered < gapsMs.length && events.nowMs < endMs) {
        events.runUntil(events.nowMs + stepMs)
        await settle()
      }
      expect(answered).toBe(gapsMs.length)
      expect([...sent.values()].every((times) => times === 1)).toBe(true)
      expect(committer.queued).toBe(0)
      expect(mostInFlight).toBeLessThanOrEqual(bounds.inFlightMax)
      expect(biggest).toBeLessThanOrEqual(bounds.batchMax)
      expect(longestWaitMs).toBeLessThanOrEqual(bounds.maxDelayMs + 2 * stepMs)
    }),
    { numRuns: 60 },
  )
})

import { setTimeout } from 'node:timers/promises'

const longestMs = 30_000
const pauseMs = 50

/** Repeats checks until they hold; fails as they do after half a minute. */
export async function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  const deadline = performance.now() + longestMs
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() > deadline) throw error
      await setTimeout(pauseMs)
    }
  }
}

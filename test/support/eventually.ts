import { setTimeout } from 'node:timers/promises'

const pauseMs = 50

/** Repeats checks until they hold; fails as they do after half a minute, unless told otherwise. */
export async function eventually<T>(check: () => T | Promise<T>, { longestMs = 30_000 } = {}): Promise<T> {
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

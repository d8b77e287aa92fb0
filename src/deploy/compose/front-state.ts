import { setTimeout as sleep } from 'node:timers/promises'

/** Where HAProxy says whether it sends requests to all edges of its region. */
export const allServePath = '/haproxy/all-edges-serve'

/** Longer than HAProxy takes to notice that a container was replaced: its checks, and the name's new address. */
const noticeMs = 2500
const pauseMs = 100

/**
 * Resolves when HAProxy at `url` sends requests to all edges of its region, so that one of them can be stopped.
 * @throws {Error} if it doesn't within the time; a front that doesn't run yet stands before nothing, and is not waited for
 */
export async function untilAllServe(url: string, timeoutMs: number): Promise<void> {
  const startedMs = performance.now()
  await sleep(noticeMs)
  for (;;) {
    const answer = await fetch(new URL(allServePath, url), { headers: { connection: 'close' } }).catch(
      () => undefined,
    )
    if (answer === undefined || answer.ok) return
    if (performance.now() - startedMs > timeoutMs)
      throw new Error(`HAProxy at ${url} did not send requests to all edges within ${timeoutMs} ms`)
    await sleep(pauseMs)
  }
}

import { Agent, request } from 'node:http'
import { setTimeout } from 'node:timers/promises'

/** What callers saw of a service. */
export interface Calls {
  readonly answered: number
  /** Why calls failed: no answer, or an answer that is neither a success nor a 429; the first few in words. */
  readonly failures: readonly string[]
  readonly failed: number
}

export interface Callers {
  /** Each caller finishes its call; answers what they saw. */
  stop(): Promise<Calls>
}

const timeoutMs = 20_000
const failuresShown = 5

/**
 * Callers of some URLs, each with a connection of its own that it keeps as long as the server does, and a pause between calls. They
 * never call twice for one call: what fails, fails.
 */
export function startCallers(
  urls: readonly string[],
  options: { readonly each: number; readonly pauseMs: number },
): Callers {
  const over = new AbortController()
  let answered = 0
  let failed = 0
  const failures: string[] = []
  const caller = async (url: string, number: number): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let call = 0; !over.signal.aborted; call++) {
      const user = `caller-${number}-${call}`
      const problem = await rate(`${url}/rating?user=${user}`, agent).catch((error: unknown) => String(error))
      if (problem === undefined) answered++
      else if (failed++ < failuresShown) failures.push(`${new URL(url).port}: ${problem}`)
      await setTimeout(options.pauseMs)
    }
    agent.destroy()
  }
  const callers = urls.flatMap((url) =>
    Array.from({ length: options.each }, (_, number) => caller(url, number)),
  )
  return {
    stop: async () => {
      over.abort()
      await Promise.all(callers)
      return { answered, failures, failed }
    },
  }
}

/** Rates once; answers what went wrong. */
function rate(url: string, agent: Agent): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' }
    const outgoing = request(url, { agent, method: 'POST', headers, timeout: timeoutMs }, (incoming) => {
      incoming.resume().on('end', () => {
        const { statusCode = 0 } = incoming
        resolve(statusCode === 200 || statusCode === 429 ? undefined : `status ${statusCode}`)
      })
      incoming.on('error', reject)
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')))
    outgoing.on('error', reject)
    outgoing.end('{"subject":"tea","score":4}')
  })
}

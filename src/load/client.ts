import { errors, Pool } from 'undici'

export interface Call {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
}

/** What became of a call: the status, or why there is none. */
export type Answer = number | 'timeout' | 'no connection'

/** Calls one edge. Never rejects: what goes wrong is an answer too. */
export interface Client {
  call(call: Call): Promise<Answer>
  close(): Promise<void>
}

export interface ClientOptions {
  readonly url: string
  /** At most so many, each with one request under way. */
  readonly connections: number
  readonly timeoutMs: number
  readonly apiKey: string | undefined
}

export function connectClient({ url, connections, timeoutMs, apiKey }: ClientOptions): Client {
  const pool = new Pool(url, {
    connections,
    pipelining: 1,
    connect: { timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  })
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }
  const jsonHeaders = { ...headers, 'content-type': 'application/json' }
  return {
    call: async ({ method, path, body }) => {
      try {
        const response = await pool.request(
          body === undefined ? { method, path, headers } : { method, path, headers: jsonHeaders, body },
        )
        await response.body.dump()
        return response.statusCode
      } catch (error) {
        return isTimeout(error) ? 'timeout' : 'no connection'
      }
    },
    close: () => pool.destroy(),
  }
}

function isTimeout(error: unknown): boolean {
  return (
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError
  )
}

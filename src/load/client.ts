import { errors, Pool, type Dispatcher } from 'undici'

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
    call: ({ method, path, body }) =>
      new Promise((resolve) => {
        pool.dispatch(
          body === undefined ? { method, path, headers } : { method, path, headers: jsonHeaders, body },
          new StatusOnly(resolve),
        )
      }),
    close: () => pool.destroy(),
  }
}

/** Of an answer only the status, when it is complete: a stream for its body would cost more than the call. */
class StatusOnly implements Dispatcher.DispatchHandler {
  readonly #resolve: (answer: Answer) => void
  #status = 0

  constructor(resolve: (answer: Answer) => void) {
    this.#resolve = resolve
  }

  onRequestStart(): void {
    // Undici wants a handler to have it.
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status
  }

  onResponseData(): void {
    // Nobody looks at it.
  }

  onResponseEnd(): void {
    this.#resolve(this.#status)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#resolve(isTimeout(error) ? 'timeout' : 'no connection')
  }
}

function isTimeout(error: unknown): boolean {
  return (
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    error instanceof errors.ConnectTimeoutError
  )
}

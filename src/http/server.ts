import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { createServer, type Server, type ServerResponse } from 'node:http'

export interface ServerOptions {
  readonly app: Hono
  readonly host: string
  /** 0 for any free one. */
  readonly port: number
  /** Time for a whole request to arrive, for its headers, and for the next one on an idle connection; milliseconds. */
  readonly requestTimeoutMs: number
  readonly headersTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly maxConnections: number
}

export interface RunningServer {
  readonly url: string
  /** Stops accepting, lets requests under way finish, and cuts off those that haven't by the deadline. */
  close(options: { readonly deadlineMs: number }): Promise<void>
}

const headerBytesMax = 16 * 1024
const headersMax = 100

/** Listens; resolves when it does. @throws when it can't, such as for a port in use. */
export function startServer(options: ServerOptions): Promise<RunningServer> {
  const server = createServer({
    maxHeaderSize: headerBytesMax,
    requestTimeout: options.requestTimeoutMs,
    headersTimeout: options.headersTimeoutMs,
    keepAliveTimeout: options.keepAliveTimeoutMs,
  })
  server.maxHeadersCount = headersMax
  server.maxConnections = options.maxConnections
  let closing = false
  const underWay = new Set<ServerResponse>()
  const listener = getRequestListener(options.app.fetch)
  server.on('request', (request, response) => {
    if (closing) lastOnConnection(response)
    underWay.add(response)
    response.once('close', () => underWay.delete(response))
    void listener(request, response)
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.off('error', reject)
      resolve({
        url: urlOf(server),
        close: ({ deadlineMs }) => {
          closing = true
          for (const response of underWay) lastOnConnection(response)
          return close(server, deadlineMs)
        },
      })
    })
  })
}

/** A client that keeps its connection would send its next request to a server that is gone. */
function lastOnConnection(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close')
}

function urlOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `http://${host}:${address.port}`
}

function close(server: Server, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), deadlineMs)
    // Also closes idle connections.
    server.close(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}

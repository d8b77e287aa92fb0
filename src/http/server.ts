import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import { createServer, type Server, type ServerOptions as NodeOptions, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { Server as NetServer, type Socket } from 'node:net'
import { readCertificate, watchCertificate, type CertificateOptions } from './certificate.ts'

/** For callers that needn't name a host: those of HTTP/1.0, such as the health checks of HAProxy. */
const namelessHost = 'localhost'

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
  /** Null for plain HTTP. */
  readonly tls: CertificateOptions | null
  /** A renewed certificate is in force, or its files are no use and the one before stays. */
  readonly onCertificate?: (event: { readonly validTo: string } | { readonly problem: unknown }) => void
}

export interface RunningServer {
  readonly url: string
  /** Serves a connection that another process accepted and read nothing from. */
  take(connection: Socket): void
  /**
   * Stops accepting, lets requests under way finish, and cuts off those that haven't by the deadline. With `keepIdle` idle connections
   * last as long as they would have otherwise, and the next request on each is answered: its caller may have sent it already.
   */
  close(options: { readonly deadlineMs: number; readonly keepIdle: boolean }): Promise<void>
}

const headerBytesMax = 16 * 1024
const headersMax = 100

/** How often connections are looked at for those that take too long. */
const connectionsCheckMs = 500
/** A connection on which nothing has moved for this long is cut off, even while it is to be written to. */
const stalledMs = 60_000

/** Listens; resolves when it does. @throws {CertificateError} @throws when it can't, such as for a port in use. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { server, stopRenewing } = await makeServer(options)
  server.maxHeadersCount = headersMax
  server.maxConnections = options.maxConnections
  server.timeout = stalledMs
  let closing = false
  const underWay = new Set<ServerResponse>()
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  const listener = getRequestListener(options.app.fetch, { hostname: namelessHost })
  server.on('request', (request, response) => {
    if (closing) lastOnConnection(response)
    underWay.add(response)
    response.once('close', () => underWay.delete(response))
    void listener(request, response)
  })
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      stopRenewing()
      reject(error)
    }
    server.once('error', failed)
    server.listen(options.port, options.host, () => {
      server.off('error', failed)
      resolve({
        url: urlOf(server, options.tls ? 'https' : 'http'),
        take: (socket) => {
          if (connections.size >= options.maxConnections) socket.destroy()
          else server.emit('connection', socket)
          socket.resume()
        },
        close: async ({ deadlineMs, keepIdle }) => {
          closing = true
          stopRenewing()
          for (const response of underWay) lastOnConnection(response)
          await close(server, { connections, deadlineMs, keepIdle })
        },
      })
    })
  })
}

async function makeServer(
  options: ServerOptions,
): Promise<{ server: Server | TlsServer; stopRenewing: () => void }> {
  const { tls, onCertificate = () => {} } = options
  const common: NodeOptions = {
    maxHeaderSize: headerBytesMax,
    requestTimeout: options.requestTimeoutMs,
    headersTimeout: options.headersTimeoutMs,
    keepAliveTimeout: options.keepAliveTimeoutMs,
    connectionsCheckingInterval: connectionsCheckMs,
  }
  if (!tls) return { server: createServer(common), stopRenewing: () => {} }
  const current = await readCertificate(tls)
  const server = createTlsServer({
    ...common,
    ...current.context,
    handshakeTimeout: options.headersTimeoutMs,
  })
  const stopRenewing = watchCertificate({
    ...tls,
    current,
    onRenewed: ({ context, validTo }) => {
      server.setSecureContext(context)
      onCertificate({ validTo })
    },
    onProblem: (problem) => onCertificate({ problem }),
  })
  return { server, stopRenewing }
}

/** A client that keeps its connection would send its next request to a server that is gone. */
function lastOnConnection(response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('connection', 'close')
}

function urlOf(server: Server, scheme: 'http' | 'https'): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `${scheme}://${host}:${address.port}`
}

async function close(
  server: Server,
  options: { connections: ReadonlySet<Socket>; deadlineMs: number; keepIdle: boolean },
): Promise<void> {
  const { connections, deadlineMs, keepIdle } = options
  const timer = setTimeout(() => {
    for (const socket of connections) socket.destroy()
  }, deadlineMs)
  // That of HTTP closes idle connections too; that of TCP only stops accepting.
  NetServer.prototype.close.call(server)
  if (!keepIdle) server.closeIdleConnections()
  // Not by `once` of node:events, which rejects when a caller resets its connection.
  await Promise.all([...connections].map((socket) => new Promise((resolve) => socket.once('close', resolve))))
  clearTimeout(timer)
  server.close()
}

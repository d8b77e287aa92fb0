import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { once } from 'node:events'
import { Hono } from 'hono'
import { get } from 'node:https'
import { connect, type Socket } from 'node:net'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { makeAuthority, type CertificateFiles } from './support/certificates.ts'
import { eventually } from './support/eventually.ts'
import { startServer, type RunningServer, type ServerOptions } from '../src/http/server.ts'

async function start(own: Partial<ServerOptions> = {}): Promise<RunningServer & { port: number }> {
  const app = new Hono()
  app.get('/', (context) => context.text('here'))
  app.post('/', async (context) => context.text(String((await context.req.text()).length)))
  const server = await startServer({
    app,
    host: '127.0.0.1',
    port: 0,
    // Long enough for those who are not slow on a busy machine.
    requestTimeoutMs: 2000,
    headersTimeoutMs: 1500,
    keepAliveTimeoutMs: 1500,
    maxConnections: 100,
    tls: null,
    ...own,
  })
  onTestFinished(() => server.close({ deadlineMs: 0, keepIdle: false }))
  return { ...server, port: Number(new URL(server.url).port) }
}

/** A raw connection, and all that comes back on it until the server ends it. */
async function connection(port: number): Promise<{ socket: Socket; ended: Promise<string> }> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (text += chunk))
  // The server may have closed it while this side still writes.
  socket.on('error', () => {})
  return { socket, ended: once(socket, 'close').then(() => text) }
}

/** Sends a byte now and then, as a client does that wants to keep a server busy. */
function drip(socket: Socket, text: string): void {
  let at = 0
  const timer = setInterval(() => socket.write(text[at++ % text.length]!), 50)
  socket.on('close', () => clearInterval(timer))
}

describe('slow callers are cut off, whatever they are slow with', () => {
  test('saying nothing at all', async () => {
    const { ended } = await connection((await start()).port)
    expect(await ended).toMatch(/^(HTTP\/1\.1 408 |$)/)
  })

  test('headers, a byte now and then (slowloris)', async () => {
    const { socket, ended } = await connection((await start()).port)
    socket.write('GET / HTTP/1.1\r\nHost: here\r\n')
    drip(socket, 'X-Padding: a\r\n')
    expect(await ended).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('a body, a byte now and then', async () => {
    const { socket, ended } = await connection((await start()).port)
    socket.write('POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n')
    drip(socket, 'a')
    expect(await ended).toMatch(/^HTTP\/1\.1 408 /)
  })

  test('a second request on a connection that was kept', async () => {
    const { socket, ended } = await connection((await start()).port)
    socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\nGET / HTTP/1.1\r\n')
    drip(socket, 'X-Padding: a\r\n')
    const answers = await ended
    expect(answers).toMatch(/^HTTP\/1\.1 200 OK/)
    expect(answers).toContain('HTTP/1.1 408 ')
  })

  test('the handshake of TLS', async () => {
    const { certFile, keyFile } = issue('server')
    const { port } = await start({ tls: { certFile, keyFile, minVersion: 'TLSv1.2' } })
    const { socket, ended } = await connection(port)
    socket.write(Buffer.from([0x16, 0x03, 0x01]))
    expect(await ended).toBe('')
  })

  test('meanwhile others are served', async () => {
    const server = await start()
    const slow = await Promise.all(Array.from({ length: 50 }, () => connection(server.port)))
    for (const { socket } of slow) drip(socket, 'GET / HTTP/1.1\r\nX: ')
    expect(await (await fetch(server.url)).text()).toBe('here')
    await Promise.all(slow.map(({ ended }) => ended))
  })
})

describe('what is too large or ambiguous is refused', () => {
  test.each([
    ['headers of more than 16 KiB', `GET / HTTP/1.1\r\nHost: here\r\nX: ${'a'.repeat(17_000)}\r\n\r\n`, 431],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['a bare line feed', 'GET / HTTP/1.1\nHost: here\n\n', 400],
  ])('%s', async (_what, request, status) => {
    const { socket, ended } = await connection((await start()).port)
    socket.write(request)
    expect(await ended).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  })
})

test('a caller that resets its connection does not hinder the end', async () => {
  const server = await start()
  const { socket, ended } = await connection(server.port)
  socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
  await once(socket, 'data')
  const closed = server.close({ deadlineMs: 10_000, keepIdle: true })
  socket.resetAndDestroy()
  await ended
  expect(await closed).toBeUndefined()
})

test('an HTTP/1.0 caller needs to name no host', async () => {
  const { socket, ended } = await connection((await start()).port)
  socket.write('GET / HTTP/1.0\r\n\r\n')
  expect(await ended).toMatch(/^HTTP\/1\.1 200 /)
})

let directory: string
let issue: (subject: string) => CertificateFiles

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openclaw-tls-'))
  issue = makeAuthority(directory)
})
afterAll(() => rm(directory, { recursive: true, force: true }))

async function handshake(
  port: number,
  ca: string,
  own: { maxVersion?: 'TLSv1.1' | 'TLSv1.2' } = {},
): Promise<TLSSocket> {
  // Old versions are off in OpenSSL by default: what is refused has to be the server's doing.
  const old = own.maxVersion === 'TLSv1.1' ? { minVersion: 'TLSv1' as const, ciphers: 'ALL:@SECLEVEL=0' } : {}
  const socket = connectTls({ port, host: '127.0.0.1', ca: readFileSync(ca), ...old, ...own })
  try {
    await once(socket, 'secureConnect')
  } finally {
    socket.on('error', () => {}).destroy()
  }
  return socket
}

describe('TLS', () => {
  test('answers over it, and not in the clear', async () => {
    const { certFile, keyFile, caFile } = issue('server')
    const { url, port } = await start({ tls: { certFile, keyFile, minVersion: 'TLSv1.2' } })
    expect(url).toMatch(/^https:/)
    const [answer] = await once(get(url, { ca: readFileSync(caFile) }), 'response')
    expect(answer.statusCode).toBe(200)
    answer.resume()
    const { socket, ended } = await connection(port)
    socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n')
    expect(await ended).not.toContain('200')
  })

  test('speaks no version older than 1.2, or 1.3 if so configured', async () => {
    const { certFile, keyFile, caFile } = issue('server')
    const { port } = await start({ tls: { certFile, keyFile, minVersion: 'TLSv1.2' } })
    await handshake(port, caFile, { maxVersion: 'TLSv1.2' })
    await expect(handshake(port, caFile, { maxVersion: 'TLSv1.1' })).rejects.toThrow(/protocol version/)
    const newer = await start({ tls: { certFile, keyFile, minVersion: 'TLSv1.3' } })
    await expect(handshake(newer.port, caFile, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/)
  })

  test('a renewed certificate is used without a restart, and files that are no use are not', async () => {
    const [first, second] = [issue('first'), issue('second')]
    const [certFile, keyFile] = [join(directory, 'live.pem'), join(directory, 'live.key')]
    const put = async (cert: string, key: string): Promise<void> => {
      await copyFile(cert, certFile)
      await copyFile(key, keyFile)
    }
    await put(first.certFile, first.keyFile)
    const events: Record<string, unknown>[] = []
    const { port } = await start({
      tls: { certFile, keyFile, minVersion: 'TLSv1.2' },
      onCertificate: (event) => events.push({ ...event }),
    })
    const subject = async (): Promise<string> => {
      const socket = connectTls({ port, host: '127.0.0.1', ca: readFileSync(first.caFile) })
      await once(socket, 'secureConnect')
      const { CN } = socket.getPeerCertificate().subject
      socket.destroy()
      return String(CN)
    }
    expect(await subject()).toBe('first')
    await put(second.certFile, first.keyFile)
    await eventually(() => expect(events).toEqual([{ problem: expect.any(Error) }]))
    expect(await subject()).toBe('first')
    await put(second.certFile, second.keyFile)
    await eventually(() => expect(events[1]).toEqual({ validTo: expect.any(String) }))
    expect(await subject()).toBe('second')
  }, 30_000)

  test('a key that does not fit, or a file that is not there, is refused at the start by name', async () => {
    const [a, b] = [issue('a'), issue('b')]
    const tls = { certFile: a.certFile, keyFile: b.keyFile, minVersion: 'TLSv1.2' as const }
    await expect(start({ tls })).rejects.toThrow(/no certificate and its key/)
    await expect(start({ tls: { ...tls, keyFile: '/nowhere' } })).rejects.toThrow(
      "http.tls.key_file: /nowhere can't be read (ENOENT)",
    )
  })
})

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The least a server can do: parses the JSON body and answers the same JSON as the edge does, with a constant's work. */
interface Body {
  readonly key?: string
  readonly subject?: string
  readonly score?: number
  readonly comment?: string
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(chunks).toString() || '{}') as Body
    const now = new Date().toISOString()
    const answer =
      body.key === undefined
        ? {
            subject: body.subject,
            user: 'user1',
            score: body.score,
            comment: body.comment ?? null,
            createdAt: now,
            updatedAt: now,
          }
        : {
            limit: 'ratings',
            allowed: true,
            capacity: 1_000_000_000,
            refillPerSec: 1_000_000_000,
            remaining: 999_999_999,
            resetMs: 1,
          }
    const text = JSON.stringify(answer)
    response.writeHead(body.subject === undefined ? 200 : 201, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    })
    response.end(text)
  })
})

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }))
})
process.on('SIGTERM', () => process.exit(0))

import type { Context } from 'hono'
import { headerOf } from './header.ts'
import { ProblemError } from './problems.ts'

const discardBytesMax = 4 * 1024 * 1024

/** The body of a request, parsed. @throws {ProblemError} when it is not JSON, or larger than `bytesMax`; then it isn't kept. */
export async function readJson(context: Context, bytesMax: number): Promise<unknown> {
  const type = headerOf(context, 'content-type')
  if (type === undefined || !/^application\/json\s*(;|$)/i.test(type)) {
    const detail = `content-type ${type === undefined ? 'is missing' : `"${type.slice(0, 64)}" is not allowed`}; allowed: application/json`
    throw new ProblemError('not-json', detail)
  }
  const length = headerOf(context, 'content-length')
  if (length !== undefined && Number(length) > bytesMax) {
    await discard(context).catch(cutOff)
    throw tooLarge(bytesMax)
  }
  const text = await (length === undefined ? readBounded(context, bytesMax) : context.req.text()).catch(
    cutOff,
  )
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ProblemError('malformed-json', text === '' ? 'the body is empty' : positionOf(error))
  }
}

/**
 * Takes in what is sent too much, within a bound: a connection that is closed while the caller still writes is reset, and the
 * answer that says why may be lost with it (RFC 9112, section 9.6).
 */
async function discard(context: Context): Promise<void> {
  let bytes = 0
  for await (const chunk of context.req.raw.body ?? []) {
    bytes += chunk.length
    if (bytes > discardBytesMax) return
  }
}

/** A body of unknown length, as far as allowed. */
async function readBounded(context: Context, bytesMax: number): Promise<string> {
  const { body } = context.req.raw
  if (!body) return ''
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > bytesMax) throw tooLarge(bytesMax)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** The caller went away, or was too slow: nobody's error here. */
function cutOff(error: unknown): never {
  if (error instanceof ProblemError) throw error
  throw new ProblemError('malformed-json', 'the body did not arrive as a whole')
}

function tooLarge(bytesMax: number): ProblemError {
  // The rest of the body may not be read, so the connection can't be used again.
  return new ProblemError('body-too-large', `allowed: up to ${bytesMax} bytes`, {
    headers: { connection: 'close' },
  })
}

/** What the parser says, without the text that it quotes. */
function positionOf(error: unknown): string {
  const position =
    error instanceof Error ? /at position \d+( \(line \d+ column \d+\))?/.exec(error.message) : null
  return position ? `it ends being JSON ${position[0]}` : 'it is cut short, or no JSON'
}

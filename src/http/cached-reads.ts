import type { Context } from 'hono'
import { hash } from 'node:crypto'
import type { Read, ReadResult } from '../ratings/types.ts'
import { headerOf } from './header.ts'
import type { Answer } from './operation.ts'

/** How `Cache-Status` (RFC 9211) tells of each; what was read from the store has no time to live. */
const statuses: Readonly<Record<ReadResult, string>> = {
  hit: 'hit',
  stale: 'hit; detail=revalidating',
  away: 'fwd=stale; detail=store-unavailable',
  miss: 'fwd=miss',
  collapsed: 'fwd=miss; collapsed',
  bypass: 'fwd=bypass',
}

const fromMemory: ReadonlySet<ReadResult> = new Set(['hit', 'stale', 'away'])

/**
 * Whether the caller wants what the store holds now (RFC 9111, 5.2.1): `no-cache`, or `max-age=0`.
 */
export function wantsLatest(context: Context): boolean {
  const control = headerOf(context, 'cache-control')
  return control !== undefined && /(?:^|,)\s*(?:no-cache|max-age=0+)\s*(?:,|$)/i.test(control)
}

/**
 * `Cache-Status`, and for what comes from memory `Age` (RFC 9111, 5.1) and how long it is still fresh. Clients may keep the answer if they
 * ask each time whether it is still right: nobody tells them of a change.
 */
export function readHeaders(
  { result, ageMs, ttlMs }: Omit<Read<unknown>, 'value'>,
  latest: boolean,
): Record<string, string> {
  const control = { 'cache-control': 'private, no-cache' }
  if (!fromMemory.has(result))
    return { ...control, 'cache-status': `openclaw; ${latest ? 'fwd=request' : statuses[result]}` }
  return {
    ...control,
    'cache-status': `openclaw; ${statuses[result]}; ttl=${Math.floor(ttlMs / 1000)}`,
    age: String(Math.floor(ageMs / 1000)),
  }
}

/** Adds the entity tag of an answer, or makes it 304 when the caller has the same already (RFC 9110, 13.1.2). */
export function conditional(answer: Answer, ifNoneMatch: string | undefined): Answer {
  const text = JSON.stringify(answer.json)
  const tag = `"${hash('sha1', text, 'base64url')}"`
  const headers = { ...answer.headers, etag: tag }
  return matches(ifNoneMatch, tag) ? { status: 304, headers } : { ...answer, headers, text }
}

/** By weak comparison. */
function matches(list: string | undefined, tag: string): boolean {
  if (list === undefined) return false
  return list.split(',').some((one) => ['*', tag, `W/${tag}`].includes(one.trim()))
}

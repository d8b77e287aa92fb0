import { z } from 'zod'

/** A rating that was stored or removed. */
export interface Change {
  readonly subject: string
  readonly user: string
}

/** Changes in one message at most; a group commit never has more. */
export const changesMax = 5000
const messageBytesMax = 8 * 1024 * 1024

const schema = z.strictObject({
  v: z.literal(1),
  changes: z.array(z.tuple([z.string().max(1024), z.string().max(1024)])).max(changesMax),
})

/** News of changes for other regions' caches: JSON, because it is small beside the work of storing them. */
export function encodeInvalidation(changes: readonly Change[]): Uint8Array {
  return Buffer.from(JSON.stringify({ v: 1, changes: changes.map(({ subject, user }) => [subject, user]) }))
}

/** Reads such a message; undefined for any other bytes. */
export function decodeInvalidation(bytes: Uint8Array): Change[] | undefined {
  if (bytes.length > messageBytesMax) return undefined
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
  const { success, data } = schema.safeParse(value)
  return success ? data.changes.map(([subject, user]) => ({ subject, user })) : undefined
}

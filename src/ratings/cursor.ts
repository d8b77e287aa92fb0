import { CursorError } from './errors.ts'

/** Where a page ended: the last rating's change, in microseconds since 1970, and its user. */
export interface Position {
  readonly updatedAtMicros: string
  readonly user: string
}

const cursorLengthMax = 2048

export function encodeCursor({ updatedAtMicros, user }: Position): string {
  return Buffer.from(`${updatedAtMicros} ${user}`).toString('base64url')
}

/** @throws {CursorError} for what `encodeCursor` didn't make. */
export function decodeCursor(cursor: string): Position {
  const text = cursor.length <= cursorLengthMax ? Buffer.from(cursor, 'base64url').toString() : ''
  const match = /^(\d{1,17}) (.+)$/su.exec(text)
  if (!match) throw new CursorError(cursor)
  const position = { updatedAtMicros: match[1]!, user: match[2]! }
  if (encodeCursor(position) !== cursor) throw new CursorError(cursor)
  return position
}

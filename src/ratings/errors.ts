/** The store did not answer, or not in time. Safe to retry: sending a rating again replaces it. */
export class StoreUnavailableError extends Error {
  override readonly name: string = 'StoreUnavailableError'
  readonly retryAfterMs: number
  /** How long what was asked for may still happen, though nobody will hear of it; 0 if it has happened by now or never will. */
  readonly mayHappenForMs: number

  constructor(message: string, options: { retryAfterMs: number; mayHappenForMs?: number; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.retryAfterMs = options.retryAfterMs
    this.mayHappenForMs = options.mayHappenForMs ?? 0
  }
}

/** More waits for the store than is good. */
export class OverloadedError extends StoreUnavailableError {
  override readonly name = 'OverloadedError'
}

/** A paging cursor that this service didn't make. */
export class CursorError extends Error {
  override readonly name = 'CursorError'

  constructor(cursor: string) {
    super(`cursor "${cursor}" is not one that this service made`)
  }
}

/** The key came before, with another request. */
export class IdempotencyKeyReusedError extends Error {
  override readonly name = 'IdempotencyKeyReusedError'

  constructor(key: string) {
    super(`the idempotency key "${key}" came with another request before`)
  }
}

/** The store did not answer, or not in time. Safe to retry: sending a rating again replaces it. */
export class StoreUnavailableError extends Error {
  override readonly name: string = 'StoreUnavailableError'
  readonly retryAfterMs: number

  constructor(message: string, options: { retryAfterMs: number; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.retryAfterMs = options.retryAfterMs
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

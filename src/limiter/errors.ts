/** No limit has that name. */
export class UnknownLimitError extends Error {
  override readonly name = 'UnknownLimitError'
  readonly limit: string
  readonly known: readonly string[]

  constructor(limit: string, known: readonly string[]) {
    super(`unknown limit "${limit}"; known: ${known.join(', ') || 'none'}`)
    this.limit = limit
    this.known = known
  }
}

/** The limit denies the key whatever it has left: to ask again is no use. */
export class KeyDeniedError extends Error {
  override readonly name = 'KeyDeniedError'
  readonly limit: string

  constructor(limit: string) {
    super(`the limit "${limit}" denies this key`)
    this.limit = limit
  }
}

/** A cost that no bucket of this limit could ever pay, or that is no positive integer. */
export class CostError extends Error {
  override readonly name = 'CostError'
  readonly cost: number
  readonly max: number

  constructor(cost: number, max: number) {
    super(`cost ${cost} is not allowed; allowed: a whole number from 1 to ${max}`)
    this.cost = cost
    this.max = max
  }
}

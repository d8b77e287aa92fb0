import { StoreUnavailableError } from './errors.ts'
import type { RatingStore } from './store.ts'

export interface CircuitBreakerOptions {
  /** Resolves if the store answers; bounded in time. */
  readonly probe: () => Promise<void>
  /** Called when the circuit has opened, with the last failure, or closed. */
  readonly onChange?: (isOpen: boolean, failure?: unknown) => void
  /** Runs something after some milliseconds; answers how to call it off. */
  readonly schedule?: (run: () => void, delayMs: number) => () => void
}

/** Calls that fail in a row until nobody is sent to the store any more. */
const failuresMax = 3
/** Between probes, while the store answers and when it hasn't. */
const watchIntervalMs = 2000
const probeIntervalMs = 250

/**
 * Keeps callers away from a store that doesn't answer: they would only wait for their time-outs. After three failures in a row
 * it opens, and every call fails at once. Only probes find out that the store is back, so that no caller pays for trying.
 * Failures are StoreUnavailableErrors; any other error is an answer.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions
  readonly #schedule: NonNullable<CircuitBreakerOptions['schedule']>
  #failures = 0
  #isOpen = false
  #isStopped = false
  #cancelProbe: () => void = () => {}

  constructor(options: CircuitBreakerOptions) {
    this.#options = options
    this.#schedule = options.schedule ?? scheduleOnTimer
    this.#plan()
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** @throws {StoreUnavailableError} at once while it is open. */
  async call<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isOpen)
      throw new StoreUnavailableError('the store has not answered lately', {
        retryAfterMs: 4 * probeIntervalMs,
      })
    return this.#observe(work)
  }

  /** No more probes. */
  stop(): void {
    this.#isStopped = true
    this.#cancelProbe()
  }

  async #observe<T>(work: () => Promise<T>): Promise<T> {
    try {
      const value = await work()
      this.#note()
      return value
    } catch (error) {
      this.#note(error instanceof StoreUnavailableError ? error : undefined)
      throw error
    }
  }

  #note(failure?: StoreUnavailableError): void {
    this.#failures = failure ? this.#failures + 1 : 0
    const isOpen = failure !== undefined && (this.#isOpen || this.#failures >= failuresMax)
    if (isOpen === this.#isOpen) return
    this.#isOpen = isOpen
    this.#options.onChange?.(isOpen, failure)
    this.#plan()
  }

  #plan(): void {
    this.#cancelProbe()
    if (this.#isStopped) return
    this.#cancelProbe = this.#schedule(
      () =>
        void this.#observe(this.#options.probe)
          .catch(() => {})
          .finally(() => this.#plan()),
      this.#failures > 0 ? probeIntervalMs : watchIntervalMs,
    )
  }
}

/** The same store, behind a circuit breaker. */
export function guarded(store: RatingStore, breaker: CircuitBreaker): RatingStore {
  return {
    putMany: (writes) => breaker.call(() => store.putMany(writes)),
    remove: (subject, user) => breaker.call(() => store.remove(subject, user)),
    find: (...given) => breaker.call(() => store.find(...given)),
    list: (...given) => breaker.call(() => store.list(...given)),
    scores: (...given) => breaker.call(() => store.scores(...given)),
    forgetBefore: (time) => breaker.call(() => store.forgetBefore(time)),
    ping: () => store.ping(),
    close: () => store.close(),
  }
}

function scheduleOnTimer(run: () => void, delayMs: number): () => void {
  const timer = setTimeout(run, delayMs)
  return () => clearTimeout(timer)
}

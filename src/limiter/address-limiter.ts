import { Buckets } from '../bucket/buckets.ts'
import type { Decision } from '../bucket/decision.ts'
import { KeyedHash, type Key64 } from '../bucket/hash.ts'

export interface AddressLimiterOptions {
  /** Requests at once, and a second. */
  readonly capacity: number
  readonly refillPerSec: number
  /** Addresses in memory at most; at the bound those go first that owe least. */
  readonly addressesMax: number
  /** Random, so that nobody can choose addresses that collide. */
  readonly hashKey: Key64
  /** Monotonic time in milliseconds. */
  readonly nowMs: () => number
}

const idleMs = 1000
const sweepRows = 20_000

/** A token bucket for each address that calls this node, whoever it says it is. Not replicated: it guards the node, not a quota. */
export class AddressLimiter {
  readonly #buckets: Buckets
  readonly #hash: KeyedHash
  readonly #nowMs: () => number

  constructor({ capacity, refillPerSec, addressesMax, hashKey, nowMs }: AddressLimiterOptions) {
    this.#nowMs = nowMs
    this.#hash = new KeyedHash(hashKey)
    this.#buckets = new Buckets({
      limit: 'address',
      capacity,
      refillPerSec,
      bucketsMax: addressesMax,
      idleMs,
      nowMs: nowMs(),
    })
  }

  /** Requests refused so far. */
  get refused(): number {
    return this.#buckets.takesRefused
  }

  /** A request from a block of addresses. */
  take(block: string): Decision {
    this.#hash.update(block)
    return this.#buckets.take(this.#hash, 1, this.#nowMs())
  }

  /** To be called now and then: forgets addresses that are gone. */
  tick(): void {
    this.#buckets.sweep(sweepRows, this.#nowMs())
  }
}

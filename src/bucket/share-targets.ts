/** Tokens a second that a replica is asked for now, and was over the last half minute. */
export interface Demand {
  readonly need: number
  readonly memory: number
}

/**
 * How a limit should be divided among replicas, by demand. What is needed now comes first: in proportion, where all of it is more
 * than the limit. What is left over goes where demand was lately, so that a replica that bursts again finds its share with it,
 * and without any memory stays where it is configured.
 *
 * To be filled by `reset` and `add`, one replica after the other; then asked. A class so that a tick over many buckets makes no objects.
 */
export class ShareTargets {
  #perSec = 0
  #need = 0
  #memory = 0

  /** Begins anew, for a limit of so many tokens a second. */
  reset(refillPerSec: number): void {
    this.#perSec = refillPerSec
    this.#need = 0
    // The weight of the configured shares: small, so that any real memory outweighs it.
    this.#memory = refillPerSec * priorPart
  }

  add(need: number, memory: number): void {
    this.#need += need
    this.#memory += memory
  }

  /** The part of the limit, 0 to 1, for a replica that was added, and whose configured part is `base`. */
  part(need: number, memory: number, base: number): number {
    if (this.#need >= this.#perSec) return this.#need > 0 ? need / this.#need : base
    const spare = 1 - this.#need / this.#perSec
    return need / this.#perSec + spare * ((memory + base * this.#perSec * priorPart) / this.#memory)
  }
}

const priorPart = 0.002

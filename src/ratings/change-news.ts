import type { Change } from './invalidation.ts'

export interface ChangeNewsOptions {
  /** Sends a message; at most 250 changes, which are at most half a megabyte. */
  readonly send: (changes: readonly Change[]) => void
  readonly intervalMs: number
  /** Runs something after some milliseconds; answers how to call it off. */
  readonly schedule?: (run: () => void, delayMs: number) => () => void
}

const changesPerMessage = 250

/**
 * News of changes for the caches of other edges. What comes after a pause is told at once; then what comes within an interval is told
 * together, each change once: a message costs every edge more than the changes in it.
 */
export class ChangeNews {
  readonly #options: ChangeNewsOptions
  readonly #schedule: NonNullable<ChangeNewsOptions['schedule']>
  #gathered = new Map<string, Change>()
  #cancel: (() => void) | undefined

  constructor(options: ChangeNewsOptions) {
    this.#options = options
    this.#schedule = options.schedule ?? scheduleOnTimer
  }

  add(changes: readonly Change[]): void {
    // A line feed stands in no name.
    for (const change of changes) this.#gathered.set(`${change.subject}\n${change.user}`, change)
    if (!this.#cancel) this.#tell()
  }

  /** Tells what is left. */
  stop(): void {
    this.#send()
    this.#cancel?.()
    this.#cancel = undefined
  }

  #tell(): void {
    this.#cancel = undefined
    if (this.#gathered.size === 0) return
    this.#send()
    this.#cancel = this.#schedule(() => this.#tell(), this.#options.intervalMs)
  }

  #send(): void {
    const changes = [...this.#gathered.values()]
    this.#gathered = new Map()
    for (let at = 0; at < changes.length; at += changesPerMessage)
      this.#options.send(changes.slice(at, at + changesPerMessage))
  }
}

function scheduleOnTimer(run: () => void, delayMs: number): () => void {
  const timer = setTimeout(run, delayMs)
  return () => clearTimeout(timer)
}

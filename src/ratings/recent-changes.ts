/**
 * When subjects changed last, as far as is known here: of so many, in the order of their changes. Of all others it is only known
 * that they didn't change after the last that was forgotten.
 */
export class RecentChanges {
  readonly #max: number
  readonly #atMs = new Map<string, number>()
  #othersAtMs: number

  /** What happened before now is unknown. */
  constructor(max: number, nowMs: number) {
    this.#max = max
    this.#othersAtMs = nowMs
  }

  note(subject: string, nowMs: number): void {
    this.#atMs.delete(subject)
    this.#atMs.set(subject, nowMs)
    if (this.#atMs.size <= this.#max) return
    const [oldest] = this.#atMs
    this.#othersAtMs = oldest![1]
    this.#atMs.delete(oldest![0])
  }

  /** The last change of a subject is no later. */
  lastMs(subject: string): number {
    return this.#atMs.get(subject) ?? this.#othersAtMs
  }
}

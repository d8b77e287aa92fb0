const rowsAtFirst = 1024

/** Row numbers in the order in which they came, in few bytes: a queue in one typed array. */
export class RowQueue {
  #numbers = new Int32Array(rowsAtFirst)
  #from = 0
  #length = 0

  get length(): number {
    return this.#length
  }

  push(number: number): void {
    if (this.#from + this.#length === this.#numbers.length) this.#makeRoom()
    this.#numbers[this.#from + this.#length++] = number
  }

  /** The oldest, which is taken out; undefined when there is none. */
  shift(): number | undefined {
    if (this.#length === 0) return undefined
    this.#length--
    return this.#numbers[this.#from++]
  }

  /** Leaves only the first of each number. */
  removeRepeated(): void {
    const left = new Set(this.#numbers.subarray(this.#from, this.#from + this.#length))
    this.#numbers.set([...left])
    this.#from = 0
    this.#length = left.size
  }

  #makeRoom(): void {
    const used = this.#numbers.subarray(this.#from, this.#from + this.#length)
    if (this.#length * 2 > this.#numbers.length) this.#numbers = new Int32Array(this.#numbers.length * 2)
    this.#numbers.set(used)
    this.#from = 0
  }
}

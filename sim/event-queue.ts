interface Event {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

/** Virtual time: events run in the order of their times, those of the same time in the order in which they were added. */
export class EventQueue {
  nowMs = 0
  /** A binary heap, the next event first. */
  readonly #heap: Event[] = []
  #order = 0

  after(delayMs: number, run: () => void): void {
    this.at(this.nowMs + delayMs, run)
  }

  at(atMs: number, run: () => void): void {
    const heap = this.#heap
    const event = { atMs, order: this.#order++, run }
    let index = heap.push(event) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (isBefore(heap[parent]!, event)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = event
  }

  /** Runs all events up to a time, which it is then. */
  runUntil(atMs: number): void {
    for (let next = this.#heap[0]; next && next.atMs <= atMs; next = this.#heap[0]) {
      this.#removeFirst()
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.run()
    }
    this.nowMs = Math.max(this.nowMs, atMs)
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (isBefore(last, heap[child]!)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

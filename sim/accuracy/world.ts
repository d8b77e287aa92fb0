import { EventQueue } from '../event-queue.ts'
import type { World } from './rule.ts'

export interface Delays {
  readonly regions: readonly string[]
  /** One-way delays in milliseconds, by `a b`, names in order. */
  readonly between: Readonly<Record<string, number>>
}

/** The guide's regions; delays between them as of public cloud regions, in round numbers. */
export const guideRegions: Delays = {
  regions: ['us-east-1', 'eu-central-1', 'ap-southeast-2'],
  between: {
    'eu-central-1 us-east-1': 40,
    'ap-southeast-2 us-east-1': 75,
    'ap-southeast-2 eu-central-1': 110,
  },
}

interface SimWorldOptions {
  readonly delays: Delays
  readonly capacity: number
  readonly refillPerSec: number
  /** Whether two regions can't reach each other at a time. */
  readonly isCut?: (from: string, to: string, nowMs: number) => boolean
}

/** A world under virtual time that carries messages, and counts their bytes. */
export class SimWorld implements World {
  readonly #options: SimWorldOptions
  readonly events = new EventQueue()
  bytes = 0

  constructor(options: SimWorldOptions) {
    this.#options = options
  }

  get nowMs(): number {
    return this.events.nowMs
  }

  get regions(): readonly string[] {
    return this.#options.delays.regions
  }

  get capacity(): number {
    return this.#options.capacity
  }

  get refillPerSec(): number {
    return this.#options.refillPerSec
  }

  delayMs(from: string, to: string): number {
    return from === to ? 0 : this.#options.delays.between[[from, to].toSorted().join(' ')]!
  }

  after(delayMs: number, run: () => void): void {
    this.events.after(delayMs, run)
  }

  send({ from, to, bytes }: { from: string; to: string; bytes: number }, deliver: () => void): void {
    if (from === to) return this.events.after(0, deliver)
    this.bytes += bytes
    if (this.#options.isCut?.(from, to, this.nowMs)) return
    this.events.after(this.delayMs(from, to), deliver)
  }
}

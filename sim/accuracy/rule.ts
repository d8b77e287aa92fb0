/** What a rule sees of the simulated world. Regions are named; one process stands for each. */
export interface World {
  readonly nowMs: number
  readonly regions: readonly string[]
  /** The whole limit: tokens of a full bucket, and tokens a second. A region's share is an equal part of both. */
  readonly capacity: number
  readonly refillPerSec: number
  /** One-way delay between two regions, as known beforehand; 0 from a region to itself. */
  delayMs(from: string, to: string): number
  after(delayMs: number, run: () => void): void
  /**
   * Carries a message of so many bytes: `deliver` runs at `to` after the one-way delay, or never, if the link is cut when it
   * is sent. To the own region it takes no time and costs no bytes.
   */
  send(message: { from: string; to: string; bytes: number }, deliver: () => void): void
}

/** A way to hold one limit in several regions, under simulation. */
export interface Rule {
  /** As in the table. */
  readonly name: string
  /** Starts it anew in a world. */
  start(world: World): RunningRule
}

export interface RunningRule {
  /** A request for one token of a key in a region; `decide` is called once, at once or later. */
  take(region: string, key: string, decide: (allowed: boolean) => void): void
}

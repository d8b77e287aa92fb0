/** What is asked for, and when the network is cut. All times are from when the load begins. */
export interface Scenario {
  readonly name: string
  readonly durationMs: number
  /** Requests a second in a region (by its index), at a time. They come at random (Poisson). */
  readonly perSec: (region: number, atMs: number) => number
  /** Whether the last region is cut off from the others. */
  readonly isCut?: (atMs: number) => boolean
  /** What was decided before is not counted. */
  readonly countFromMs?: number
}

export const limit = { capacity: 500, refillPerSec: 100 }

const minutes = (count: number): number => count * 60_000
const isPartition = (atMs: number): boolean => atMs >= 40_000 && atMs < 80_000
/** 1,000 a second for half a second: what a central bucket just admits. */
const isBurst = (atMs: number): boolean => atMs % 20_000 < 500

export const scenarios: readonly Scenario[] = [
  { name: '300/s, evenly', durationMs: minutes(2), perSec: () => 100 },
  { name: '150/s in one region', durationMs: minutes(2), perSec: (region) => (region === 0 ? 150 : 0) },
  {
    name: '150/s, in one region after the other, 6 s each',
    durationMs: minutes(2),
    perSec: (region, atMs) => (Math.floor(atMs / 6000) % 3 === region ? 150 : 0),
  },
  {
    name: '1,000/s in each region for 1.5 s, every 20 s',
    durationMs: minutes(2),
    perSec: (_region, atMs) => (atMs % 20_000 < 1500 ? 1000 : 0),
  },
  {
    name: '180/s, one region cut off for 40 s',
    durationMs: minutes(2),
    perSec: () => 60,
    isCut: isPartition,
  },
  {
    name: '600/s, one region cut off for 40 s',
    durationMs: minutes(2),
    perSec: () => 200,
    isCut: isPartition,
  },
  {
    name: '1,000/s in one region for 0.5 s, after idleness',
    durationMs: 10_000,
    perSec: (region, atMs) => (region === 0 && isBurst(atMs) ? 1000 : 0),
  },
  {
    name: 'the same again, every 20 s',
    durationMs: minutes(2),
    perSec: (region, atMs) => (region === 0 && isBurst(atMs) ? 1000 : 0),
    countFromMs: 10_000,
  },
]

import type { Entry } from './messages.ts'

/**
 * How news of a replica is charged: `exact` in contact; `healed` when it is heard again after a silence; `joining` when it is heard
 * for the first time since this replica started, which takes over what the other knows.
 */
export type MergeRule = 'exact' | 'healed' | 'joining'

/** What replication needs of the buckets of one limit; slot 0 is this replica, the others are given out here. */
export interface ReplicatedTable {
  /** The same number for the same limit in every replica. */
  readonly id: number
  setReplicas(replicas: number): void
  /** How long news of others is under way on average, and how often they send it; milliseconds, 0 while nobody is in contact. */
  setNewsTimes(times: { readonly delayMs: number; readonly batchIntervalMs: number }): void
  /** The number of the batch interval that begins, from 1 on. */
  beginInterval(interval: number): void
  /** Writes up to `entriesMax` buckets changed since they were last written. */
  drainChanged(entriesMax: number, nowMs: number, write: (entry: Entry) => void): number
  /** Writes live buckets from row `from` on; answers where to go on, or -1 at the end. */
  scanLive(
    range: { from: number; entriesMax: number; rowsMax: number },
    nowMs: number,
    write: (entry: Entry) => void,
  ): number
  merge(slot: number, entry: Entry, rule: MergeRule, nowMs: number): void
  /** Drops what is known of the replica in a slot: its next counts begin at 0. */
  forgetReplica(slot: number): void
}

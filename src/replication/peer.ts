import type { PageStart } from './messages.ts'
import { SequenceGaps } from './sequence-gaps.ts'
import type { MergeRule } from './replicated-table.ts'
import type { ReplicaId } from './transport.ts'

/** A transfer of a peer's live buckets, page by page; one at a time for each peer. */
export interface Transfer {
  request: number
  start: PageStart
  sentAtMs: number
  /** News was lost again since it began: what was lost may lie before the pages to come. */
  again: boolean
}

/** What a replica knows of another. */
export interface Peer {
  readonly replica: ReplicaId
  /** Its columns in the tables. */
  readonly slot: number
  incarnation: number
  /** The highest sequence number heard of this incarnation; -1 before the first. */
  sequence: number
  /** Which of its batches are missing. */
  readonly gaps: SequenceGaps
  heardAtMs: number
  /** How long a message to or from it is under way, in milliseconds: half of a round trip; undefined before the first. */
  delayMs: number | undefined
  /** It says that it hears this replica. */
  hearsUs: boolean
  /** Hashes of the names of all whom it hears. */
  hears: ReadonlySet<number>
  /** How its news is charged; `exact` once everything it has was transferred. */
  rule: MergeRule
  transfer: Transfer | undefined
  transferredAtMs: number
  /** It is in contact: its region's share counts. */
  counts: boolean
}

/** A replica that is heard for the first time since this one started. */
export function newPeer(known: Pick<Peer, 'replica' | 'slot' | 'incarnation' | 'heardAtMs'>): Peer {
  return {
    ...known,
    sequence: -1,
    gaps: new SequenceGaps(),
    delayMs: undefined,
    hearsUs: false,
    hears: new Set(),
    rule: 'joining',
    transfer: undefined,
    transferredAtMs: Number.NEGATIVE_INFINITY,
    counts: false,
  }
}

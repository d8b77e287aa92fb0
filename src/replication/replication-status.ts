import type { Malformed } from './codec.ts'
import type { ReplicaId } from './transport.ts'

/** Why news was dropped; an unknown limit means that the other has another configuration, or another hash key. */
export type Problem = Malformed | 'unknown limit' | 'too many replicas'

/** Counts since the start. */
export interface ReplicationStats {
  batchesSent: number
  bytesSent: number
  batchesReceived: number
  /** Of replicas beyond the bound. */
  batchesRefused: number
  bytesReceived: number
  entriesSent: number
  entriesReceived: number
  entriesUnknown: number
  malformed: number
  gaps: number
  transfersStarted: number
}

export interface PeerStatus {
  readonly replica: ReplicaId
  readonly inContact: boolean
  /** Milliseconds since it was last heard. */
  readonly silentMs: number
  /** How long a message is under way, in milliseconds; undefined before the first that was echoed. */
  readonly delayMs: number | undefined
}

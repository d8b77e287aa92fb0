import type { Malformed } from './codec.ts'
import { regionOf, type ReplicaId } from './transport.ts'

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

/** In contact time-outs: when a silent replica counts as stopped, if others of its region are heard. */
const stoppedTimeouts = 10

/**
 * Leaves out replicas that are silent for long while others of their region are heard: those were stopped, by a deploy or because
 * fewer are wanted. Where a whole region is silent, all of it is missed.
 */
export function withoutStopped(
  peers: readonly PeerStatus[],
  self: ReplicaId,
  contactTimeoutMs: number,
): PeerStatus[] {
  const afterMs = stoppedTimeouts * contactTimeoutMs
  const heard = new Set(
    [self, ...peers.filter((peer) => peer.inContact).map((peer) => peer.replica)].map(regionOf),
  )
  return peers.filter(({ replica, silentMs }) => silentMs < afterMs || !heard.has(regionOf(replica)))
}

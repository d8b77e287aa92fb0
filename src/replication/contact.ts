import { nameHash } from './name-hash.ts'
import type { Peer } from './peer.ts'
import { regionOf, type ReplicaId } from './transport.ts'

/**
 * Who is in contact. A peer is that if it is heard, says that it hears this replica (so that a link that works in one direction only
 * can't let both sides spend the same share), and its live buckets were transferred since it came back.
 *
 * When it comes back others may have spent its region's share whose news is still on its way: so it doesn't count before those whom it
 * hears have come back too. That is waited for no longer than the contact time-out: some links may stay cut.
 */
export class Contact {
  readonly #timeoutMs: number
  readonly #selfHash: number
  readonly #ownRegion: string

  constructor(self: ReplicaId, timeoutMs: number) {
    this.#selfHash = nameHash(self)
    this.#ownRegion = regionOf(self)
    this.#timeoutMs = timeoutMs
  }

  hears(peer: Peer, nowMs: number): boolean {
    return nowMs - peer.heardAtMs <= this.#timeoutMs
  }

  holds(peer: Peer, nowMs: number): boolean {
    return peer.counts && this.#isLinked(peer, nowMs)
  }

  /** Takes note of who is in contact now, and answers whose shares count: their regions' and the own. */
  update(peers: readonly Peer[], nowMs: number): Set<string> {
    const byName = new Map(peers.map((peer) => [nameHash(peer.replica), peer]))
    for (const peer of peers) {
      peer.counts =
        this.#isLinked(peer, nowMs) &&
        (peer.counts ||
          nowMs - peer.transferredAtMs > this.#timeoutMs ||
          [...peer.hears].every(
            (name) => name === this.#selfHash || this.#knows(peer, byName.get(name), nowMs),
          ))
    }
    const regions = peers.filter(({ counts }) => counts).map(({ replica }) => regionOf(replica))
    return new Set([this.#ownRegion, ...regions])
  }

  /** Whether all news is here of somebody whom `peer` hears, and who may spend its region's share. */
  #knows(peer: Peer, other: Peer | undefined, nowMs: number): boolean {
    if (!other || !this.hears(other, nowMs)) return false
    return other.rule === 'exact' || !other.hears.has(nameHash(peer.replica))
  }

  #isLinked(peer: Peer, nowMs: number): boolean {
    return peer.rule === 'exact' && peer.hearsUs && this.hears(peer, nowMs)
  }
}

import type { Claims, Grants, Lease, ReplicationMessage } from './messages.ts'
import type { ReplicaId } from './transport.ts'

/** What the exchange needs of the buckets of one strict limit. */
export interface LeasedTable {
  /** The same number for the same limit in every replica. */
  readonly id: number
  /** Writes what is to be claimed now, and from whom: at most one claim a bucket and peer. */
  claims(
    nowMs: number,
    peers: readonly { readonly slot: number; readonly inContact: boolean }[],
    write: (slot: number, claim: Lease) => void,
  ): void
  /** Answers a claim; undefined if it is old. */
  claimed(slot: number, claim: Lease, sentAt: number, nowMs: number): Lease | undefined
  /** Takes in the answer to a claim. */
  granted(slot: number, grant: Lease, sentAt: number, nowMs: number): void
  forgetReplica(slot: number): void
}

export interface LeasePeer {
  readonly replica: ReplicaId
  readonly slot: number
  readonly incarnation: number
  readonly inContact: boolean
}

interface LeaseExchangeOptions {
  readonly incarnation: number
  readonly send: (to: ReplicaId, message: ReplicationMessage) => void
}

/**
 * Carries claims to parts of shares, and the grants that answer them. A lost message needs no repair here: the next claim tells
 * what is held. A grant says which incarnation it answers, since the names of claims start anew with each.
 */
export class LeaseExchange {
  readonly #options: LeaseExchangeOptions
  #tables: readonly LeasedTable[] = []
  /** Single claims, and grants. */
  readonly stats = { claimsSent: 0, grantsSent: 0 }

  constructor(options: LeaseExchangeOptions) {
    this.#options = options
  }

  setTables(tables: readonly LeasedTable[]): void {
    this.#tables = tables
  }

  /** Sends what is to be claimed now; a message a table and peer. */
  tick(peers: readonly LeasePeer[], nowMs: number): void {
    const sentAt = claimTime(nowMs)
    for (const table of this.#tables) {
      const bySlot = new Map<number, Lease[]>()
      table.claims(nowMs, peers, (slot, claim) => {
        const claims = bySlot.get(slot)
        if (claims) claims.push(claim)
        else bySlot.set(slot, [claim])
      })
      for (const { replica, slot } of peers) {
        const leases = bySlot.get(slot)
        if (!leases) continue
        this.stats.claimsSent += leases.length
        const { incarnation } = this.#options
        const sections = [{ table: table.id, leases }]
        this.#options.send(replica, { kind: 'claims', incarnation, sentAt, sections })
      }
    }
  }

  answer(peer: LeasePeer, { incarnation: claimant, sentAt, sections }: Claims, nowMs: number): void {
    const granted = sections.flatMap(({ table: id, leases }) => {
      const table = this.#tables.find((candidate) => candidate.id === id)
      const grants = leases.flatMap((claim) => table?.claimed(peer.slot, claim, sentAt, nowMs) ?? [])
      return grants.length > 0 ? [{ table: id, leases: grants }] : []
    })
    if (granted.length === 0) return
    this.stats.grantsSent += granted.reduce((sum, { leases }) => sum + leases.length, 0)
    const { incarnation } = this.#options
    this.#options.send(peer.replica, { kind: 'grants', incarnation, claimant, sentAt, sections: granted })
  }

  take(peer: LeasePeer, { claimant, sentAt, sections }: Grants, nowMs: number): void {
    if (claimant !== this.#options.incarnation) return
    for (const { table: id, leases } of sections) {
      const table = this.#tables.find((candidate) => candidate.id === id)
      for (const grant of leases) table?.granted(peer.slot, grant, sentAt, nowMs)
    }
  }

  forgetReplica(slot: number): void {
    for (const table of this.#tables) table.forgetReplica(slot)
  }
}

/** The name of the claims of a moment: even, so that those who keep it have a bit to spare. */
function claimTime(nowMs: number): number {
  return Math.floor(nowMs) & ~1
}

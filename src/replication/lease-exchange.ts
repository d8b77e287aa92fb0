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
  /** Buckets turned short since `claims` or `urgentClaims` was called. */
  readonly isUrgent: boolean
  /** As `claims`, but for those buckets only. */
  urgentClaims: LeasedTable['claims']
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

  get isUrgent(): boolean {
    return this.#tables.some((table) => table.isUrgent)
  }

  /** Sends what is to be claimed now; a message a table and peer. */
  tick(peers: readonly LeasePeer[], nowMs: number): void {
    for (const table of this.#tables) {
      this.#send(table.id, peers, nowMs, (write) => table.claims(nowMs, peers, write))
    }
  }

  tickUrgent(peers: readonly LeasePeer[], nowMs: number): void {
    for (const table of this.#tables) {
      if (table.isUrgent)
        this.#send(table.id, peers, nowMs, (write) => table.urgentClaims(nowMs, peers, write))
    }
  }

  #send(
    table: number,
    peers: readonly LeasePeer[],
    nowMs: number,
    collect: (write: (slot: number, claim: Lease) => void) => void,
  ): void {
    const bySlot = new Map<number, Lease[]>()
    collect((slot, claim) => {
      const claims = bySlot.get(slot)
      if (claims) claims.push(claim)
      else bySlot.set(slot, [claim])
    })
    const { incarnation } = this.#options
    for (const { replica, slot } of peers) {
      const leases = bySlot.get(slot)
      if (!leases) continue
      this.stats.claimsSent += leases.length
      this.#options.send(replica, {
        kind: 'claims',
        incarnation,
        sentAt: claimTime(nowMs),
        sections: [{ table, leases }],
      })
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

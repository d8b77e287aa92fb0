/**
 * The messages of bucket replication, in bytes, little-endian:
 *
 *   header   'O' 'C' version kind
 *   batch    incarnation f64, sequence u32, hears u8 × (name u32, sequence u32, held u16), sections
 *   request  incarnation f64, request u32, table u32, row u32
 *   page     incarnation f64, request u32, done u8, table u32, row u32, sections
 *   claims   incarnation f64, sent at u32, lease sections
 *   grants   incarnation f64, the claimant's incarnation f64, sent at u32 of the claims, lease sections
 *   sections u16 × (table u32, count u32, count × entry)
 *   entry    hash i32 ×2, generation u32, taken u32, returned u32, own debt f32 [, in a page: debt f32]: 24 or 28 bytes
 *   lease    hash i32 ×2, part f32, tokens f32, need f32, memory f32: 24 bytes
 */

export const codecVersion = 1
/** Bytes of a message at most. */
export const messageBytesMax = 512 * 1024
export const batchEntryBytes = 24
export const pageEntryBytes = 28
export const leaseBytes = 24
export const hearingBytes = 10
export const savedBucketBytes = 16

/** One bucket's counters of one replica; the fields are explained where buckets are. */
export interface Entry {
  lo: number
  hi: number
  generation: number
  taken: number
  returned: number
  ownDebt: number
  /** NaN in a batch. */
  debt: number
}

/** Buckets of one table, named by the hash of its limit. */
export interface Section {
  readonly table: number
  readonly entries: readonly Entry[]
}

/** Says that a replica is heard, and echoes what was heard last, so that it can tell how long a message is under way. */
export interface Hearing {
  /** Hash of its name. */
  readonly name: number
  /** Its highest sequence number heard, and how long ago that was: milliseconds, 65,535 at most. */
  readonly sequence: number
  readonly heldMs: number
}

/** What changed at the sender since its last batch; a heartbeat if nothing did. */
export interface Batch {
  readonly kind: 'batch'
  readonly incarnation: number
  readonly sequence: number
  /** The replicas that the sender hears. */
  readonly hears: readonly Hearing[]
  readonly sections: readonly Section[]
}

/** Where a page begins: a table, and a row of it. */
export interface PageStart {
  readonly table: number
  readonly row: number
}

/** Asks for live buckets, from somewhere on. */
export interface LiveRequest {
  readonly kind: 'request'
  /** The asker's. */
  readonly incarnation: number
  readonly request: number
  readonly start: PageStart
}

/** Answers a request. */
export interface LivePage {
  readonly kind: 'page'
  /** The answerer's. */
  readonly incarnation: number
  readonly request: number
  /** Where the next page begins; undefined after the last. */
  readonly next: PageStart | undefined
  readonly sections: readonly Section[]
}

/** A claim to a part of a share, or the grant that answers it; the fields are explained where leases are. */
export interface Lease {
  lo: number
  hi: number
  part: number
  tokens: number
  need: number
  memory: number
}

/** Leases of one table. */
export interface LeaseSection {
  readonly table: number
  readonly leases: readonly Lease[]
}

/** What the sender claims of the shares of one other. */
export interface Claims {
  readonly kind: 'claims'
  readonly incarnation: number
  /** On the sender's clock, modulo 2^32; names the claims. */
  readonly sentAt: number
  readonly sections: readonly LeaseSection[]
}

/** Answers claims. */
export interface Grants {
  readonly kind: 'grants'
  readonly incarnation: number
  /** The claimant's, and its name of the claims. */
  readonly claimant: number
  readonly sentAt: number
  readonly sections: readonly LeaseSection[]
}

export type ReplicationMessage = Batch | LiveRequest | LivePage | Claims | Grants

/** A bucket as a snapshot keeps it, 16 bytes: hash i32 ×2, tokens f64. */
export interface SavedBucket {
  lo: number
  hi: number
  /** Owed, or at hand; whose table it is knows which. */
  tokens: number
}

/** Buckets of one table, in a page of a snapshot: u16 × (table u32, count u32, count × bucket). */
export interface SavedSection {
  readonly table: number
  readonly buckets: readonly SavedBucket[]
}

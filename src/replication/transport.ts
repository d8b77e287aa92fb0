/** One edge process: `region/ordinal`, such as `us-east-1/0`. */
export type ReplicaId = string

export function regionOf(replica: ReplicaId): string {
  const slash = replica.lastIndexOf('/')
  return slash < 0 ? replica : replica.slice(0, slash)
}

/** What a message is about; each has its own receivers. */
export type Channel = 'buckets' | 'cache'

export type Receiver = (from: ReplicaId, payload: Uint8Array) => void

/**
 * Carries messages between replicas. Promises little: a message may be lost, doubled, late or out of order, but never altered,
 * and `from` is who sent it. Sending never waits and never throws: queues are bounded, and what doesn't fit is dropped and counted.
 * Whoever needs an answer asks again. The contract is in `transport.contract.ts`.
 */
export interface Transport {
  readonly self: ReplicaId
  /** To all other replicas. The payload is the transport's from now on. */
  broadcast(channel: Channel, payload: Uint8Array): void
  /** To one replica; to nobody if there is none of that name. */
  send(to: ReplicaId, channel: Channel, payload: Uint8Array): void
  /** Sets who receives what others send on `channel`. One receiver a channel. */
  receive(channel: Channel, receiver: Receiver): void
  /** Messages dropped here because a queue was full. */
  readonly dropped: number
  /** After this nothing is sent or received. What was sent before is still delivered. */
  close(): Promise<void>
}

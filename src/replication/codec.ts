import { Reader, Writer } from './codec-bytes.ts'
import {
  batchEntryBytes,
  codecVersion,
  hearingBytes,
  leaseBytes,
  messageBytesMax,
  pageEntryBytes,
  type ReplicationMessage,
} from './messages.ts'

const kinds = { batch: 1, request: 2, page: 3, claims: 4, grants: 5 } as const
const headerBytes = 4
const hearsMax = 255

/** How many entries a message may carry beside its headers, given its sections. */
export function entriesMax(kind: 'batch' | 'page', sections: number): number {
  const overhead = headerBytes + 8 + 4 + 1 + hearingBytes * hearsMax + 9 + 2 + 8 * sections
  return Math.floor((messageBytesMax - overhead) / (kind === 'page' ? pageEntryBytes : batchEntryBytes))
}

export function encode(message: ReplicationMessage): Uint8Array {
  const writer = new Writer(sizeOf(message))
  writer.u8(0x4f)
  writer.u8(0x43)
  writer.u8(codecVersion)
  writer.u8(kinds[message.kind])
  writer.f64(message.incarnation)
  switch (message.kind) {
    case 'batch':
      writer.u32(message.sequence)
      writer.u8(message.hears.length)
      for (const { name, sequence, heldMs } of message.hears) {
        writer.u32(name)
        writer.u32(sequence)
        writer.u16(heldMs)
      }
      writer.sections(message.sections, false)
      break
    case 'request':
      writer.u32(message.request)
      writer.u32(message.start.table)
      writer.u32(message.start.row)
      break
    case 'page':
      writer.u32(message.request)
      writer.u8(message.next ? 0 : 1)
      writer.u32(message.next?.table ?? 0)
      writer.u32(message.next?.row ?? 0)
      writer.sections(message.sections, true)
      break
    case 'grants':
      writer.f64(message.claimant)
      writer.u32(message.sentAt)
      writer.leases(message.sections)
      break
    case 'claims':
      writer.u32(message.sentAt)
      writer.leases(message.sections)
  }
  return writer.bytes
}

/** Why bytes are no message. */
export type Malformed = 'version' | 'malformed'

/** Reads a message, or says why it is none; never throws, whatever the bytes. */
export function decode(bytes: Uint8Array): ReplicationMessage | Malformed {
  if (bytes.length < headerBytes + 8 || bytes.length > messageBytesMax) return 'malformed'
  if (bytes[0] !== 0x4f || bytes[1] !== 0x43) return 'malformed'
  if (bytes[2] !== codecVersion) return 'version'
  const reader = new Reader(bytes, headerBytes)
  const message = read(bytes[3]!, reader)
  return message && reader.atEnd ? message : 'malformed'
}

function read(kind: number, reader: Reader): ReplicationMessage | undefined {
  const incarnation = reader.f64()
  if (!Number.isSafeInteger(incarnation) || incarnation < 0) return undefined
  switch (kind) {
    case kinds.batch: {
      const sequence = reader.u32()
      const hears = Array.from({ length: reader.u8() }, () => ({
        name: reader.u32(),
        sequence: reader.u32(),
        heldMs: reader.u16(),
      }))
      const sections = reader.sections(false)
      return sections && { kind: 'batch', incarnation, sequence, hears, sections }
    }
    case kinds.request: {
      const request = reader.u32()
      return { kind: 'request', incarnation, request, start: { table: reader.u32(), row: reader.u32() } }
    }
    case kinds.page: {
      const request = reader.u32()
      const done = reader.u8()
      const start = { table: reader.u32(), row: reader.u32() }
      const sections = reader.sections(true)
      return sections && { kind: 'page', incarnation, request, next: done ? undefined : start, sections }
    }
    case kinds.claims: {
      const sentAt = reader.u32() | 0
      const sections = reader.leases()
      return sections && { kind: 'claims', incarnation, sentAt, sections }
    }
    case kinds.grants: {
      const claimant = reader.f64()
      if (!Number.isSafeInteger(claimant) || claimant < 0) return undefined
      const sentAt = reader.u32() | 0
      const sections = reader.leases()
      return sections && { kind: 'grants', incarnation, claimant, sentAt, sections }
    }
    default:
      return undefined
  }
}

function sizeOf(message: ReplicationMessage): number {
  const fixed = headerBytes + 8 + 4
  if (message.kind === 'request') return fixed + 8
  if (message.kind === 'claims' || message.kind === 'grants') {
    const own = message.kind === 'grants' ? 8 : 0
    return message.sections.reduce((sum, s) => sum + 8 + s.leases.length * leaseBytes, fixed + own + 2)
  }
  const entryBytes = message.kind === 'batch' ? batchEntryBytes : pageEntryBytes
  const own = message.kind === 'batch' ? 1 + hearingBytes * message.hears.length : 9
  return message.sections.reduce((sum, s) => sum + 8 + s.entries.length * entryBytes, fixed + own + 2)
}

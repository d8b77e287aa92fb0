import { Reader, Writer } from './codec-bytes.ts'
import { messageBytesMax, savedBucketBytes, type SavedSection } from './messages.ts'

/** 'O' 'S', for a snapshot's page. */
const magic = [0x4f, 0x53] as const
const version = 1
const headerBytes = 3 + 2

/** How many buckets a page may hold, given its sections. */
export function savedBucketsMax(sections: number): number {
  return Math.floor((messageBytesMax - headerBytes - 8 * sections) / savedBucketBytes)
}

export function encodeSaved(sections: readonly SavedSection[]): Uint8Array {
  const bytes = sections.reduce((sum, s) => sum + 8 + s.buckets.length * savedBucketBytes, headerBytes)
  const writer = new Writer(bytes)
  for (const byte of magic) writer.u8(byte)
  writer.u8(version)
  writer.saved(sections)
  return writer.bytes
}

/** Undefined for bytes that are no page of this version; never throws. */
export function decodeSaved(bytes: Uint8Array): SavedSection[] | undefined {
  if (
    bytes.length > messageBytesMax ||
    bytes[0] !== magic[0] ||
    bytes[1] !== magic[1] ||
    bytes[2] !== version
  )
    return undefined
  const reader = new Reader(bytes, 3)
  const sections = reader.saved()
  return reader.atEnd ? sections : undefined
}

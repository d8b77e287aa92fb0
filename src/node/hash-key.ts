import { createHash, randomBytes } from 'node:crypto'
import type { Key64 } from '../limiter/types.ts'

/** The limiter's key from the cluster's secret: the first 64 bits of its SHA-256. */
export function hashKeyFrom(secret: string): Key64 {
  const digest = createHash('sha256').update(secret).digest()
  return { lo: digest.readInt32LE(0), hi: digest.readInt32LE(4) }
}

/** For a cluster that lives in one process. */
export function randomHashKey(): Key64 {
  return hashKeyFrom(randomBytes(32).toString('hex'))
}

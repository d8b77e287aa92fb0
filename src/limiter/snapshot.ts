import type { PageRange, SavedBucket } from '../bucket/bucket-set.ts'
import { PooledBuckets } from '../bucket/pooled-buckets.ts'
import { StrictBuckets } from '../bucket/strict-buckets.ts'
import type { PageStart, SavedSection } from '../replication/messages.ts'
import { decodeSaved, encodeSaved, savedBucketsMax } from '../replication/saved-page.ts'
import type { Policy } from './policy.ts'

/** A part of what a replica knows, for a life of it that has lost its memory. */
export interface SnapshotPage {
  readonly payload: Uint8Array
  /** Where the next page begins; undefined after the last. */
  readonly next: PageStart | undefined
}

/** A page of an earlier life, and how long ago it was written. */
export interface EarlierPage {
  readonly payload: Uint8Array
  readonly agoMs: number
}

/** Rows looked at for a page at most. */
const rowsAPageMax = 200_000

/**
 * What pooled buckets owe; with `withStrict` also what strict ones have at hand, which is only true if nothing is taken afterwards.
 */
export function savePage(
  policies: readonly Policy[],
  start: PageStart,
  { withStrict, nowMs }: { withStrict: boolean; nowMs: number },
): SnapshotPage {
  const tables = savedTables(policies, withStrict).toSorted((a, b) => a.id - b.id)
  let room = savedBucketsMax(tables.length)
  const sections: SavedSection[] = []
  for (const table of tables) {
    if (table.id < start.table) continue
    const range: PageRange = {
      from: table.id === start.table ? start.row : 0,
      entriesMax: room,
      rowsMax: rowsAPageMax,
    }
    const buckets: SavedBucket[] = []
    const row = table.save(range, nowMs, (bucket) => buckets.push(bucket))
    if (buckets.length > 0) sections.push({ table: table.id, buckets })
    room -= buckets.length
    if (row >= 0) return { payload: encodeSaved(sections), next: { table: table.id, row } }
  }
  return { payload: encodeSaved(sections), next: undefined }
}

/**
 * Takes over what an earlier life saved. Buckets of limits that are gone, and pages that can't be read, are left out; answers the
 * strict buckets that can't go on from it: some of what they had at hand can't be read, or they have no room for it.
 */
export function restorePages(
  policies: readonly Policy[],
  pages: readonly EarlierPage[],
  { withStrict, nowMs }: { withStrict: boolean; nowMs: number },
): Set<StrictBuckets> {
  const byId = new Map(savedTables(policies, withStrict).map((table) => [table.id, table]))
  const incomplete = new Set<StrictBuckets>()
  for (const { payload, agoMs } of pages) {
    const sections = decodeSaved(payload)
    if (!sections) {
      for (const table of byId.values()) if (table instanceof StrictBuckets) incomplete.add(table)
    }
    for (const { table: id, buckets } of sections ?? []) {
      const table = byId.get(id)
      for (const bucket of buckets) {
        if (table instanceof PooledBuckets) table.restore(bucket, agoMs, nowMs)
        else if (table && !table.restore(bucket, nowMs)) incomplete.add(table)
      }
    }
  }
  return incomplete
}

function savedTables(policies: readonly Policy[], withStrict: boolean): (PooledBuckets | StrictBuckets)[] {
  return policies.flatMap(({ buckets }) =>
    buckets instanceof PooledBuckets || (withStrict && buckets instanceof StrictBuckets) ? [buckets] : [],
  )
}

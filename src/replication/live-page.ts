import { entriesMax } from './codec.ts'
import type { Entry, PageStart, Section } from './messages.ts'
import type { ReplicatedTable } from './replicated-table.ts'

/** Rows looked at for a page at most. */
const rowsAPageMax = 200_000

/** A page of the live buckets of tables, in the order of their ids, and where the next one begins; undefined after the last. */
export function livePage(
  tables: readonly ReplicatedTable[],
  start: PageStart,
  nowMs: number,
): { sections: Section[]; next: PageStart | undefined } {
  let room = entriesMax('page', tables.length)
  const sections: Section[] = []
  for (const table of tables) {
    if (table.id < start.table) continue
    const from = table.id === start.table ? start.row : 0
    const entries: Entry[] = []
    const row = table.scanLive({ from, entriesMax: room, rowsMax: rowsAPageMax }, nowMs, (entry) =>
      entries.push(entry),
    )
    if (entries.length > 0) sections.push({ table: table.id, entries })
    room -= entries.length
    if (row >= 0) return { sections, next: { table: table.id, row } }
  }
  return { sections, next: undefined }
}

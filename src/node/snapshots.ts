import type { Limiter } from '../limiter/limiter.ts'
import type { PageStart } from '../replication/messages.ts'
import type { EarlierSnapshot, SnapshotStore } from '../replication/snapshot-store.ts'
import type { Logger } from './logger.ts'

const firstPage: PageStart = { table: 0, row: 0 }

/** What earlier lives saved, and whether this one starts with all that there is to know. */
export interface Beginning {
  readonly pages: EarlierSnapshot['pages']
  /** No earlier life can have taken or leased out anything that this one doesn't know. */
  readonly startsFresh: boolean
}

/** Reads what earlier lives saved. A store that doesn't answer is as if they had saved nothing: strict limits begin empty then. */
export async function beginFrom(snapshots: SnapshotStore, logger: Logger): Promise<Beginning> {
  try {
    const earlier = await snapshots.begin()
    if (earlier) logger.info({ pages: earlier.pages.length, endedWell: earlier.isLast }, 'snapshot read')
    return { pages: earlier?.pages ?? [], startsFresh: earlier?.isLast ?? true }
  } catch (error) {
    logger.warn({ err: error }, 'no snapshot can be read: strict limits begin empty')
    return { pages: [], startsFresh: false }
  }
}

/** Saves what a limiter knows, page by page, again and again. */
export class SnapshotKeeper {
  readonly #snapshots: SnapshotStore
  readonly #limiter: Limiter
  readonly #logger: Logger
  readonly #timer: NodeJS.Timeout
  #saving: Promise<void> = Promise.resolve()
  #isSaving = false
  #isFailing = false
  #start = firstPage
  #page = 0
  /** Pages that the store knows of. */
  #sealed: number

  constructor(
    snapshots: SnapshotStore,
    {
      limiter,
      earlierPages,
      intervalMs,
      logger,
    }: { limiter: Limiter; earlierPages: number; intervalMs: number; logger: Logger },
  ) {
    this.#snapshots = snapshots
    this.#sealed = earlierPages
    this.#limiter = limiter
    this.#logger = logger
    this.#timer = setInterval(() => {
      if (!this.#isSaving) this.#saving = this.#saveOne()
    }, intervalMs)
  }

  /** Saves all there is, after the last take; the last snapshot unless parts of strict shares are still leased out. */
  async finish(): Promise<void> {
    clearInterval(this.#timer)
    await this.#saving
    const isLast = !this.#limiter.hasLent
    try {
      let next: PageStart | undefined = firstPage
      let pages = 0
      while (next) {
        const page = this.#limiter.savePage(next, { last: isLast })
        await this.#snapshots.put(pages++, page.payload)
        next = page.next
      }
      await this.#snapshots.seal(pages, { isLast })
    } catch (error) {
      this.#logger.warn({ err: error }, 'the last snapshot was not saved')
    }
  }

  async #saveOne(): Promise<void> {
    this.#isSaving = true
    try {
      const { payload, next } = this.#limiter.savePage(this.#start, { last: false })
      await this.#snapshots.put(this.#page, payload)
      const pages = next ? Math.max(this.#sealed, this.#page + 1) : this.#page + 1
      if (pages !== this.#sealed) await this.#snapshots.seal(pages, { isLast: false })
      this.#sealed = pages
      this.#page = next ? this.#page + 1 : 0
      this.#start = next ?? firstPage
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing) this.#logger.warn({ err: error }, 'a snapshot was not saved; it is tried again')
      this.#isFailing = true
    }
    this.#isSaving = false
  }
}

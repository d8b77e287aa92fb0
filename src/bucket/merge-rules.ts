/** What one replica tells the others of one bucket: its own counters, never those of a third. */
export interface CounterEntry {
  /** Hash of the key, signed 32-bit halves. */
  lo: number
  hi: number
  /** The busy period that the counters belong to; a later one starts both at 0. */
  generation: number
  /** Tokens that the sender's callers took, and gave back, in that generation; modulo 2^32. */
  taken: number
  returned: number
  /** The part of the debt, as the sender sees it, that its own callers took; tokens. */
  ownDebt: number
  /** The whole debt as the sender sees it; NaN where it isn't told. */
  debt: number
}

/**
 * How news of a replica is charged.
 * - `exact`: in contact: what it took since its last news.
 * - `healed`: heard again after a silence: that, but no more than what it itself still has to refill of its own takes.
 * - `joining`: heard for the first time since this replica started: the whole debt of the sender is taken over, not added, because
 *   others may have told of it, and of what this replica took before it started; only the own parts of both are surely different
 *   tokens. What the sender takes after that is added.
 */
export type MergeRule = 'exact' | 'healed' | 'joining'

/** Tokens that a replica took and gave back since its last news. */
export interface News {
  readonly taken: number
  readonly returned: number
  readonly sameGeneration: boolean
}

/** Raises the counters known of a replica, which stand in `words` from `at` on, to those told, and answers by how much. */
export function mergeCounters(words: Int32Array, at: number, entry: CounterEntry): News {
  const generation = words[at]! >>> 0
  if (entry.generation < generation) return { taken: 0, returned: 0, sameGeneration: true }
  const sameGeneration = entry.generation === generation
  const taken = sameGeneration ? (entry.taken - words[at + 1]!) | 0 : entry.taken
  const returned = sameGeneration ? (entry.returned - words[at + 2]!) | 0 : entry.returned
  words[at] = entry.generation
  if (taken > 0) words[at + 1] = entry.taken
  if (returned > 0) words[at + 2] = entry.returned
  if (!sameGeneration) {
    words[at + 1] = entry.taken
    words[at + 2] = entry.returned
  }
  return { taken: Math.max(0, taken), returned: Math.max(0, returned), sameGeneration }
}

/** What is owed once news of a replica that was heard before is charged. */
export function charged(charge: {
  readonly debt: number
  readonly news: News
  readonly entry: CounterEntry
  readonly rule: Exclude<MergeRule, 'joining'>
  /** What a bucket refills while it counts as idle. */
  readonly idleTokens: number
}): number {
  const { debt, news, entry, rule, idleTokens } = charge
  if (rule === 'healed') {
    const net = news.taken - news.returned
    return Math.max(0, debt + (net > 0 ? Math.min(net, entry.ownDebt) : net))
  }
  // Of a busy period that began unheard, more than the sender owes was refilled before the news came; in contact that is
  // at most what refills while a bucket counts as idle. The bound matters when this replica had to evict the bucket.
  const taken = news.sameGeneration
    ? news.taken
    : Math.min(news.taken, entry.ownDebt + news.returned + idleTokens)
  return Math.max(0, debt + taken - news.returned)
}

/** The least that can be owed, by what two replicas know that have not heard each other: tokens that both know of count once. */
export function joined(charge: {
  readonly debt: number
  /** The part of it that this replica's callers took. */
  readonly own: number
  readonly news: News
  readonly entry: CounterEntry
}): number {
  const { debt, own, news, entry } = charge
  const since = news.sameGeneration ? news.taken - news.returned : 0
  return Math.max(0, debt + since, own + entry.ownDebt, entry.debt || 0)
}

import type { Mutant } from './mutants.ts'

const pooled = 'src/bucket/pooled-buckets.ts'
const kept = 'src/bucket/kept-news.ts'
const buckets = 'src/bucket/buckets.ts'
const rules = 'src/bucket/merge-rules.ts'
const keptTest = 'src/bucket/kept-news.test.ts'
const pooledTest = 'src/bucket/pooled-buckets.test.ts'

/** Faults in pooled buckets. */
export const pooledMutants: readonly Mutant[] = [
  {
    name: 'merge-adds',
    file: rules,
    find: 'sameGeneration ? (entry.taken - words[at + 1]!) | 0 : entry.taken',
    replace: 'entry.taken | 0',
    caughtBy: { file: 'src/limiter/invariants.prop.test.ts', test: 'I1 merge of counters is commutative' },
  },
  {
    name: 'merge-takes-old-generations',
    file: rules,
    find: 'if (entry.generation < generation) return',
    replace: 'if (entry.generation < generation - 1e9) return',
    caughtBy: { file: 'src/limiter/invariants.prop.test.ts', test: 'I1 merge of counters is commutative' },
  },
  {
    name: 'take-ends-no-generation',
    file: pooled,
    find: 'if (debt === 0 && this.#isSettled(row, clock)) this.#endBusyPeriod(row)',
    replace: '',
    caughtBy: { file: pooledTest, test: 'a bucket that was full for a third' },
  },
  {
    name: 'merge-ends-no-generation',
    file: pooled,
    find: 'if (known && this.#isSettled(row, clock)) this.#endBusyPeriod(row)',
    replace: 'void known',
    caughtBy: { file: 'src/bucket/pooled-buckets.prop.test.ts', test: 'I2 every replica owes at all times' },
  },
  {
    name: 'healed-charges-what-the-sender-knows-of-others',
    file: rules,
    find: 'net > 0 ? Math.min(net, entry.ownDebt) : net',
    replace: 'net > 0 ? Math.min(net, entry.debt || entry.ownDebt) : net',
    caughtBy: { file: pooledTest, test: 'healed: what the sender knows of others' },
  },
  {
    name: 'healed-charges-all',
    file: rules,
    find: 'net > 0 ? Math.min(net, entry.ownDebt) : net',
    replace: 'net',
    caughtBy: {
      file: pooledTest,
      test: 'healed: by no more than the sender still owes',
    },
  },
  {
    name: 'joining-adds',
    file: rules,
    find: 'return Math.max(0, debt + since, own + entry.ownDebt, entry.debt || 0)',
    replace: 'return Math.max(0, debt + since, own + entry.ownDebt, debt + news.taken - news.returned)',
    caughtBy: {
      file: 'src/limiter/restarts.prop.test.ts',
      test: 'I7 a replica that starts cut off from some',
    },
  },
  {
    name: 'joining-takes-own-for-known',
    file: rules,
    find: 'own + entry.ownDebt, entry.debt || 0',
    replace: 'own, entry.debt || 0',
    caughtBy: { file: pooledTest, test: 'joining: what both took themselves' },
  },
  {
    name: 'new-generation-unbounded',
    file: rules,
    find: ': Math.min(news.taken, entry.ownDebt + news.returned + idleTokens)',
    replace: ': Math.max(news.taken, idleTokens * 0)',
    caughtBy: {
      file: pooledTest,
      test: 'exact: of a busy period that began unheard',
    },
  },
  {
    name: 'own-part-forgotten-by-merge',
    file: pooled,
    find: 'this.table.floats[row + ownFractionWord] = after > own ? own / after : 1',
    replace: 'void own',
    caughtBy: { file: pooledTest, test: 'is its own counters and its own part' },
  },
  {
    name: 'each-replica-keeps-back-the-whole-quiet-part',
    file: pooled,
    find: 'Math.min(this.#quietTokens / this.table.replicas, keptTokensMax)',
    replace: 'Math.min(this.#quietTokens, keptTokensMax)',
    caughtBy: { file: keptTest, test: 'up to the part of the quiet part' },
  },
  {
    name: 'kept-back-unbounded',
    file: pooled,
    find: 'if (kept.tokens + tokens > most) return undefined',
    replace: 'void most',
    caughtBy: { file: keptTest, test: 'up to the part of the quiet part' },
  },
  {
    name: 'kept-back-refilled-by-all',
    file: kept,
    find: '- debt) / this.#table.replicas',
    replace: '- debt)',
    caughtBy: {
      file: keptTest,
      test: 'and refilled by its part of the refill only',
    },
  },
  {
    name: 'kept-back-refilled-while-others-are-owed',
    file: kept,
    find: 'Math.max(0, this.#owedAtFirst(row) - debt)',
    replace: 'Math.max(0, this.#tokensAtFirst(row) + this.#owedAtFirst(row) - debt)',
    caughtBy: {
      file: 'src/limiter/over-admission.prop.test.ts',
      test: 'I4 what is kept back does not add up',
    },
  },
  {
    name: 'kept-back-forgotten-with-the-bucket',
    file: pooled,
    find: 'super.isIdle(row, clock) && this.#kept.tokens(row, clock) === 0',
    replace: 'super.isIdle(row, clock)',
    caughtBy: { file: keptTest, test: 'as long as it is not refilled' },
  },
  {
    name: 'kept-back-is-parked',
    file: pooled,
    find: '(debt - this.#kept.owed(row, clock)) * part',
    replace: 'debt * part',
    caughtBy: { file: keptTest, test: 'whole when regions leave contact' },
  },
  {
    name: 'kept-back-told-twice',
    file: pooled,
    find: '{ taken, returned: 0 }',
    replace: '{ taken: 2 * taken, returned: 0 }',
    caughtBy: { file: 'src/limiter/invariants.prop.test.ts', test: 'I2 each token is charged exactly once' },
  },
  {
    name: 'told-and-not-owed-here',
    file: pooled,
    find: 'const more = taken - kept.owed',
    replace: 'const more = 0 * taken',
    caughtBy: { file: keptTest, test: 'and refilled by its part of the refill only' },
  },
  {
    name: 'told-in-a-generation-that-others-forgot',
    file: pooled,
    find: 'if (owed >= this.debtOf(row, clock) && !this.#kept.isToldLately(row, this.#period))\n      this.#endGeneration(row)',
    replace: '',
    caughtBy: { file: keptTest, test: 'and begins anew once others may have forgotten' },
  },
  {
    name: 'new-generation-while-news-is-under-way',
    file: pooled,
    find: '&& !this.#kept.isToldLately(row, this.#period)',
    replace: '',
    caughtBy: { file: keptTest, test: 'but not while what was told before may be under way' },
  },
  {
    name: 'kept-back-told-as-others',
    file: pooled,
    find: 'Math.max(floats[row + ownFractionWord]! * debt, kept.owed) + more',
    replace: 'floats[row + ownFractionWord]! * debt + more',
    caughtBy: { file: keptTest, test: 'as all the sender’s own' },
  },
  {
    name: 'kept-back-never-told-when-others-take',
    file: pooled,
    find: 'if (after > this.#busyTokens) this.#tell(row, clock)',
    replace: '',
    caughtBy: { file: keptTest, test: 'until what others took' },
  },
  {
    name: 'live-page-without-kept-back',
    file: pooled,
    find: 'this.#tell(row, clock)\n      write',
    replace: 'write',
    caughtBy: { file: keptTest, test: 'is charged once where a page told it' },
  },
  {
    name: 'no-guard',
    file: 'src/bucket/unheard-takes.ts',
    find: 'return believed > 0 ? (rate',
    replace: 'return believed < 0 ? (rate',
    caughtBy: { file: pooledTest, test: 'is held back, charged nowhere' },
  },
  {
    name: 'restore-adds',
    file: pooled,
    find: 'this.#setDebt(row, owed, clock)',
    replace: 'this.#setDebt(row, owed + this.debtOf(row, clock), clock)',
    caughtBy: { file: pooledTest, test: 'is owed once, whoever saved it' },
  },
  {
    name: 'restore-forgets-the-refill',
    file: pooled,
    find: '- (this.refillPerSec * agoMs) / 1000',
    replace: '- agoMs * 0',
    caughtBy: { file: pooledTest, test: 'is owed once, whoever saved it' },
  },
  {
    name: 'gift-not-told',
    file: pooled,
    find: 'words[own + 2]! += returned',
    replace: 'void returned',
    caughtBy: { file: 'src/limiter/invariants.prop.test.ts', test: 'I2 tokens given back' },
  },
  {
    name: 'live-only-if-it-owes',
    file: pooled,
    find: 'if (this.#isSettled(row, clock)) return false',
    replace: 'if (this.debtOf(row, clock) === 0) return false',
    caughtBy: { file: pooledTest, test: 'live buckets are those that owe' },
  },
  {
    name: 'dirty-evicted-first',
    file: buckets,
    find: 'this.isDirty(row) ? debt + this.#share.capacity : debt',
    replace: 'this.isDirty(row) ? 0 : debt',
    caughtBy: {
      file: 'src/bucket/buckets.test.ts',
      test: 'a bucket with news that was not sent is evicted last',
    },
  },
  {
    name: 'dirty-forgotten',
    file: buckets,
    find: 'this.isIdle(row, clock) && !this.isDirty(row)',
    replace: 'this.isIdle(row, clock)',
    caughtBy: {
      file: 'src/bucket/buckets.test.ts',
      test: 'a bucket with news that was not sent is not forgotten',
    },
  },
  {
    name: 'idle-forgotten-at-once',
    file: buckets,
    find: 'return clock - this.table.doubles[row >> 1]! >= this.idleTokens()',
    replace: 'return clock - this.table.doubles[row >> 1]! >= 0',
    caughtBy: { file: 'src/bucket/pooled-buckets.prop.test.ts', test: 'I2 every replica owes at all times' },
  },
  {
    name: 'settled-late',
    file: pooled,
    find: 'const settledPart = 1 / 3',
    replace: 'const settledPart = 1',
    caughtBy: { file: pooledTest, test: 'a bucket that was full for a third' },
  },
  {
    name: 'unpark-brings-back-what-was-refilled',
    file: pooled,
    find: 'const after = debt + Math.max(0, part - paid)',
    replace: 'const after = debt + Math.max(paid * 0, part)',
    caughtBy: {
      file: 'src/limiter/over-admission.prop.test.ts',
      test: 'for a while, what all admit until after it',
    },
  },
  {
    name: 'parked-rest-stays-with-those-who-left',
    file: pooled,
    find: 'if (!restored) this.table.floats[row + ownFractionWord] = 1',
    replace: 'void restored',
    caughtBy: {
      file: 'src/limiter/over-admission.prop.test.ts',
      test: 'for a while, what all admit until after it',
    },
  },
  {
    name: 'parked-untold',
    file: pooled,
    find: 'ownDebt: floats[row + ownFractionWord]! * debt + parked',
    replace: 'ownDebt: floats[row + ownFractionWord]! * debt',
    caughtBy: { file: 'src/limiter/invariants.prop.test.ts', test: 'I2 each token is charged exactly once' },
  },
]

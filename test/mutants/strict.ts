import type { Mutant } from './mutants.ts'

const strictRows = 'src/bucket/strict-rows.ts'
const leases = 'src/bucket/share-leases.ts'
const leasesTest = 'src/bucket/share-leases.test.ts'

/** Faults in strict buckets and their leases. */
export const strictMutants: readonly Mutant[] = [
  {
    name: 'lender-keeps-what-it-lends',
    file: leases,
    find: 'floats[peer + partWord] = -part\n    refreshed(rows, row, now, 0)',
    replace: 'refreshed(rows, row, now, 0)',
    caughtBy: { file: 'sim/simulator.sim.test.ts', test: 'I3 I5' },
  },
  {
    name: 'lender-keeps-the-tokens',
    file: leases,
    find: 'rows.setLevel(row, Math.max(0, rows.settled.level - told))',
    replace: 'rows.setLevel(row, Math.max(0, rows.settled.level))',
    caughtBy: { file: leasesTest, test: 'that is short itself gives of what it has' },
  },
  {
    name: 'lease-counted-from-its-arrival',
    file: leases,
    find: 'const expires = (sentAt + this.#lesseeMs) | 0',
    replace: 'const expires = (now + this.#lesseeMs) | 0',
    caughtBy: { file: leasesTest, test: 'counts its lease from its claim' },
  },
  {
    name: 'no-pace-margin',
    file: leases,
    find: 'const paceMargin = 0.1',
    replace: 'const paceMargin = 0',
    caughtBy: { file: leasesTest, test: 'counts its lease from its claim' },
  },
  {
    name: 'grant-accepted-twice',
    file: leases,
    find: 'if (words[peer + sentWord] !== (sentAt | 1)) return',
    replace: 'if ((words[peer + sentWord]! | 1) !== (sentAt | 1)) return',
    caughtBy: { file: leasesTest, test: 'counts a grant once' },
  },
  {
    name: 'claim-answered-twice',
    file: leases,
    find: 'elapsedMs(sentAt, words[peer + seenWord]!) <= 0',
    replace: 'elapsedMs(sentAt, words[peer + seenWord]!) < 0',
    caughtBy: { file: leasesTest, test: 'answers a claim once' },
  },
  {
    name: 'old-claims-answered',
    file: leases,
    find: 'elapsedMs(sentAt, words[peer + seenWord]!) <= 0',
    replace: 'elapsedMs(sentAt, words[peer + seenWord]!) === 0',
    caughtBy: { file: leasesTest, test: 'answers a claim once' },
  },
  {
    name: 'lessee-keeps-what-it-gives-back',
    file: leases,
    find: 'floats[peer + partWord] = part\n      rows.settle(row, now)',
    replace: 'rows.settle(row, now)',
    caughtBy: { file: leasesTest, test: 'has what it gives back no more' },
  },
  {
    name: 'mutual-leases',
    file: leases,
    find: 'floats[peer + partWord]! > 0 ? [0, 0] : this.#lend(row, slot, claim, now)',
    replace: 'this.#lend(row, slot, claim, now)',
    caughtBy: { file: leasesTest, test: 'lends nothing of a share while it holds' },
  },
  {
    name: 'lender-forgets-who-restarted',
    file: leases,
    find: 'table.words[this.#rows.peer(number * table.stride, slot) + seenWord] = 0',
    replace:
      'table.words[this.#rows.peer(number * table.stride, slot) + seenWord] = 0\n      table.floats[this.#rows.peer(number * table.stride, slot) + partWord] = 0',
    caughtBy: {
      file: leasesTest,
      test: 'still counts a lease of a replica that came back',
    },
  },
  {
    name: 'recalled-lends',
    file: leases,
    find: 'if (this.#isRecalled) return undefined',
    replace: '',
    caughtBy: { file: leasesTest, test: 'lends nothing after it was recalled' },
  },
  {
    name: 'no-wait-after-a-start',
    file: strictRows,
    find: 'return this.#cold && elapsedMs(now, this.#ownFrom) < 0',
    replace: 'return this.#cold && elapsedMs(now, this.#ownFrom) < -1e9',
    caughtBy: { file: leasesTest, test: 'the own share is waited for' },
  },
  {
    name: 'cold-starts-full',
    file: strictRows,
    find: 'if (!this.#cold) this.table.doubles[row >> 1] = this.#bases[0]!.capacity',
    replace: 'this.table.doubles[row >> 1] = this.#bases[0]!.capacity',
    caughtBy: {
      file: leasesTest,
      test: 'a bucket that is asked for first after the wait',
    },
  },
  {
    name: 'lent-buckets-forgotten',
    file: strictRows,
    find: 'if (own < 1 || level < this.#bases[0]!.capacity) return false',
    replace: 'if (own < 0 || level < 0) return false',
    caughtBy: { file: 'src/limiter/strict.prop.test.ts', test: 'I3 strict admits at most' },
  },
  {
    name: 'lapsed-lease-refills',
    file: strictRows,
    find: 'const refill = (Math.max(0, own) * base',
    replace: 'const refill = (Math.max(0, own + lapsed) * base',
    caughtBy: { file: leasesTest, test: 'has its share back when the lease ends' },
  },
  {
    name: 'refill-while-waiting',
    file: strictRows,
    find: 'this.#cold ? Math.min(passedMs, Math.max(0, elapsedMs(now, this.#ownFrom))) : passedMs',
    replace: 'passedMs',
    caughtBy: { file: leasesTest, test: 'a bucket asked for during the wait' },
  },
]

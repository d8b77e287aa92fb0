import { beforeEach, describe, expect, test } from 'vitest'
import { PooledBuckets } from '../bucket/pooled-buckets.ts'
import { decode, encode, entriesMax } from './codec.ts'
import type { LeasedTable } from './lease-exchange.ts'
import type { Batch, ReplicationMessage } from './messages.ts'
import { nameHash } from './name-hash.ts'
import type { Problem } from './replication-status.ts'
import { Replicator } from './replicator.ts'
import type { Receiver, ReplicaId, Transport } from './transport.ts'

const everybody = 'all others'

const limit = { limit: 'api', capacity: 1e6, refillPerSec: 1e-9, bucketsMax: 100_000, idleMs: 1800 }

/** A replicator alone; the test plays all others, message by message. */
class Bench {
  nowMs = 1_000_000
  readonly sent: { to: ReplicaId; message: ReplicationMessage }[] = []
  readonly contacts: string[][] = []
  readonly problems: [ReplicaId, Problem][] = []
  readonly buckets: PooledBuckets
  readonly replicator: Replicator
  #receiver: Receiver = () => {}

  constructor() {
    const transport: Transport = {
      self: 'us/0',
      dropped: 0,
      broadcast: (_channel, payload) => this.#note(everybody, payload),
      send: (to, _channel, payload) => this.#note(to, payload),
      receive: (_channel, receiver) => (this.#receiver = receiver),
      close: () => Promise.resolve(),
    }
    const nowMs = (): number => this.nowMs
    this.buckets = new PooledBuckets(7, { ...limit, nowMs: 0 })
    this.replicator = new Replicator({
      transport,
      incarnation: 5,
      contactTimeoutMs: 600,
      nowMs,
      onContact: (regions) => this.contacts.push([...regions].toSorted()),
      onProblem: (from, problem) => this.problems.push([from, problem]),
    })
    this.replicator.setTables([this.buckets])
  }

  #note(to: ReplicaId, payload: Uint8Array): void {
    const message = decode(payload)
    if (typeof message === 'string') throw new Error(`sent what is ${message}`)
    this.sent.push({ to, message })
  }

  receive(from: ReplicaId, message: ReplicationMessage | Uint8Array): void {
    this.#receiver(from, message instanceof Uint8Array ? message : encode(message))
  }

  batch(from: ReplicaId, sequence: number, own: Partial<Batch> & { taken?: number } = {}): void {
    const entry = {
      lo: 1,
      hi: 2,
      generation: 1,
      taken: own.taken ?? 0,
      returned: 0,
      ownDebt: own.taken ?? 0,
      debt: Number.NaN,
    }
    this.receive(from, {
      kind: 'batch',
      incarnation: own.incarnation ?? 1,
      sequence,
      hears: own.hears ?? [{ name: nameHash('us/0'), sequence: 0, heldMs: 0 }],
      sections: own.sections ?? (own.taken === undefined ? [] : [{ table: 7, entries: [entry] }]),
    })
  }

  /** Answers the request for live buckets that was sent last. */
  answer(
    from: ReplicaId,
    own: { taken?: number; next?: { table: number; row: number }; incarnation?: number } = {},
  ): void {
    const asked = this.requests(from).at(-1)!
    const taken = own.taken ?? 0
    const entry = { lo: 1, hi: 2, generation: 1, taken, returned: 0, ownDebt: taken, debt: taken }
    const sections = own.taken === undefined ? [] : [{ table: 7, entries: [entry] }]
    const incarnation = own.incarnation ?? 1
    this.receive(from, { kind: 'page', incarnation, request: asked.request, next: own.next, sections })
  }

  requests(to: ReplicaId): Extract<ReplicationMessage, { kind: 'request' }>[] {
    return this.sent.flatMap((one) => (one.to === to && one.message.kind === 'request' ? [one.message] : []))
  }

  debt(): number {
    return this.buckets.debt({ lo: 1, hi: 2 }, this.nowMs)
  }

  /** Lets a peer come into contact. */
  meet(from: ReplicaId): void {
    this.batch(from, 0)
    this.answer(from)
    this.replicator.tick()
  }
}

let bench: Bench
beforeEach(() => {
  bench = new Bench()
})

describe('contact', () => {
  test('a region counts when it is heard, hears us, and its live buckets were transferred', () => {
    bench.batch('eu/0', 0, { hears: [] })
    bench.replicator.tick()
    expect(bench.contacts).toEqual([])
    bench.answer('eu/0')
    expect(bench.contacts).toEqual([])
    bench.batch('eu/0', 1)
    bench.replicator.tick()
    expect(bench.contacts).toEqual([['eu', 'us']])
  })

  test('a region that hears us counts only once its live buckets are here', () => {
    bench.batch('eu/0', 0)
    bench.replicator.tick()
    expect(bench.contacts).toEqual([])
    bench.answer('eu/0')
    expect(bench.contacts).toEqual([['eu', 'us']])
  })

  test('a region unheard for the contact time-out no longer counts', () => {
    bench.meet('eu/0')
    bench.nowMs += 600
    bench.replicator.tick()
    expect(bench.contacts.at(-1)).toEqual(['eu', 'us'])
    bench.nowMs += 1
    bench.replicator.tick()
    expect(bench.contacts.at(-1)).toEqual(['us'])
  })

  test('a region with two replicas counts as long as one of them does', () => {
    bench.meet('eu/0')
    bench.meet('eu/1')
    bench.nowMs += 500
    bench.batch('eu/1', 1)
    bench.nowMs += 500
    bench.replicator.tick()
    expect(bench.contacts).toEqual([['eu', 'us']])
    expect(bench.replicator.peers().map(({ inContact }) => inContact)).toEqual([false, true])
  })

  test('a batch says who is heard', () => {
    bench.meet('eu/0')
    bench.replicator.tick()
    expect(bench.sent.at(-1)!.message).toMatchObject({ kind: 'batch', hears: [{ name: nameHash('eu/0') }] })
    bench.nowMs += 700
    bench.replicator.tick()
    expect(bench.sent.at(-1)!.message).toMatchObject({ kind: 'batch', hears: [] })
  })
})

describe('repair', () => {
  test('a batch that does not come makes it ask for the live buckets, and what was lost is charged once', () => {
    bench.meet('eu/0')
    bench.batch('eu/0', 1, { taken: 3 })
    bench.batch('eu/0', 3)
    bench.replicator.tick()
    expect(bench.replicator.stats.gaps).toBe(0)
    bench.nowMs += 150
    bench.replicator.tick()
    expect(bench.replicator.stats.gaps).toBe(1)
    bench.answer('eu/0', { taken: 10 })
    expect(bench.debt()).toBeCloseTo(10)
    // The lost one comes after all.
    bench.batch('eu/0', 2, { taken: 10 })
    expect(bench.debt()).toBeCloseTo(10)
  })

  test('a request or a page that is lost is asked for again after its time-out, not before', () => {
    bench.batch('eu/0', 0)
    expect(bench.requests('eu/0')).toHaveLength(1)
    for (let i = 1; i <= 4; i++) {
      bench.nowMs += 290
      bench.batch('eu/0', i)
      bench.replicator.tick()
    }
    expect(bench.requests('eu/0')).toHaveLength(1)
    bench.nowMs += 50
    bench.replicator.tick()
    expect(bench.requests('eu/0')).toHaveLength(2)
  })

  test('a batch that is overtaken by others is waited for', () => {
    bench.meet('eu/0')
    bench.batch('eu/0', 2)
    bench.nowMs += 100
    bench.batch('eu/0', 1, { taken: 3 })
    bench.nowMs += 100
    bench.replicator.tick()
    expect(bench.replicator.stats.gaps).toBe(0)
    expect(bench.requests('eu/0')).toHaveLength(1)
    expect(bench.debt()).toBeCloseTo(3)
  })

  test('a transfer goes page by page, and one that saw another gap is made again', () => {
    bench.batch('eu/0', 0)
    bench.answer('eu/0', { next: { table: 7, row: 100 } })
    expect(bench.requests('eu/0').at(-1)!.start).toEqual({ table: 7, row: 100 })
    bench.batch('eu/0', 5)
    bench.nowMs += 150
    bench.replicator.tick()
    bench.answer('eu/0')
    expect(bench.requests('eu/0').at(-1)!.start).toEqual({ table: 0, row: 0 })
    bench.answer('eu/0')
    expect(bench.requests('eu/0')).toHaveLength(3)
    bench.batch('eu/0', 6)
    bench.replicator.tick()
    expect(bench.contacts).toEqual([['eu', 'us']])
  })

  test('a page that comes twice is taken once: it ends no transfer that goes on', () => {
    bench.batch('eu/0', 0)
    const { request } = bench.requests('eu/0')[0]!
    const next = { table: 7, row: 100 }
    bench.answer('eu/0', { next })
    bench.receive('eu/0', { kind: 'page', incarnation: 1, request, next, sections: [] })
    expect(bench.requests('eu/0')).toHaveLength(2)
    bench.receive('eu/0', { kind: 'page', incarnation: 1, request, next: undefined, sections: [] })
    bench.replicator.tick()
    expect(bench.contacts).toEqual([])
  })

  test('a page that nobody asked for, or of another incarnation, is dropped', () => {
    bench.meet('eu/0')
    const entry = { lo: 1, hi: 2, generation: 1, taken: 9, returned: 0, ownDebt: 9, debt: 9 }
    const sections = [{ table: 7, entries: [entry] }]
    bench.receive('eu/0', { kind: 'page', incarnation: 1, request: 1, next: undefined, sections })
    bench.receive('mars/0', { kind: 'page', incarnation: 1, request: 1, next: undefined, sections })
    bench.batch('eu/0', 9)
    bench.answer('eu/0', { taken: 9, incarnation: 2 })
    expect(bench.debt()).toBe(0)
  })

  test('live buckets are answered in pages of bounded size, each bucket once', () => {
    const count = entriesMax('page', 1) + 500
    for (let n = 0; n < count; n++) bench.buckets.take({ lo: n, hi: n }, 1, bench.nowMs)
    let start: { table: number; row: number } | undefined = { table: 0, row: 0 }
    const seen = new Set<number>()
    const sizes: number[] = []
    while (start) {
      bench.receive('eu/0', { kind: 'request', incarnation: 1, request: 1, start })
      const { message } = bench.sent.at(-1)!
      if (message.kind !== 'page') throw new Error('no page')
      const entries = message.sections.flatMap((section) => section.entries)
      for (const { lo } of entries) seen.add(lo)
      sizes.push(entries.length)
      start = message.next
    }
    expect(seen.size).toBe(count)
    expect(sizes).toEqual([entriesMax('page', 1), 500])
  })
})

describe('charging', () => {
  test('after a silence news is charged by what its sender still owes, not by all it took', () => {
    bench.meet('eu/0')
    bench.batch('eu/0', 1, { taken: 100 })
    expect(bench.debt()).toBeCloseTo(100)
    bench.nowMs += 60_000
    const entry = { lo: 1, hi: 2, generation: 1, taken: 5000, returned: 0, ownDebt: 40, debt: Number.NaN }
    bench.batch('eu/0', 900, { sections: [{ table: 7, entries: [entry] }] })
    expect(bench.debt()).toBeCloseTo(140)
  })

  test('a higher incarnation starts its counts anew; a lower one is dropped until the higher is long gone', () => {
    bench.meet('eu/0')
    bench.batch('eu/0', 1, { taken: 10 })
    bench.batch('eu/0', 0, { incarnation: 2, taken: 4 })
    expect(bench.debt()).toBeCloseTo(14)
    // What it took before this was heard is among its live buckets.
    expect(bench.requests('eu/0')).toHaveLength(2)
    bench.batch('eu/0', 2, { incarnation: 1, taken: 50 })
    expect(bench.debt()).toBeCloseTo(14)
    bench.nowMs += 6001
    bench.batch('eu/0', 0, { incarnation: 1, taken: 1 })
    expect(bench.debt()).toBeCloseTo(15)
  })
})

test('claims and grants count only from the incarnation that is believed, of replicas that are known', () => {
  const seen: string[] = []
  const leased: LeasedTable = {
    id: 9,
    isUrgent: false,
    claims: () => {},
    urgentClaims: () => {},
    claimed: (_slot, claim) => {
      seen.push(`claim ${claim.part}`)
      return undefined
    },
    granted: (_slot, grant) => seen.push(`grant ${grant.part}`),
    forgetReplica: () => {},
  }
  bench.replicator.setTables([bench.buckets], [leased])
  bench.meet('eu/0')
  for (const [from, incarnation, part] of [
    ['eu/0', 1, 0.25],
    ['eu/0', 2, 0.5],
    ['mars/0', 1, 0.75],
  ] as const) {
    const lease = { lo: 1, hi: 2, part, tokens: 0, need: 0, memory: 0 }
    const message = { incarnation, sentAt: 100, sections: [{ table: 9, leases: [lease] }] }
    bench.receive(from, { kind: 'claims', ...message })
    bench.receive(from, { kind: 'grants', claimant: 5, ...message })
  }
  expect(seen).toEqual(['claim 0.25', 'grant 0.25'])
})

describe('bounds', () => {
  test('what does not fit into a batch goes with the next', () => {
    const fits = entriesMax('batch', 1)
    for (let n = 0; n < fits + 10; n++) bench.buckets.take({ lo: n, hi: n }, 1, bench.nowMs)
    expect([bench.replicator.flush(), bench.replicator.flush(), bench.replicator.flush()]).toEqual([
      fits,
      10,
      0,
    ])
  })

  test('a limit with more news than fits keeps back no other limit', () => {
    const fits = entriesMax('batch', 2)
    const other = new PooledBuckets(8, { ...limit, nowMs: bench.nowMs })
    bench.replicator.setTables([bench.buckets, other])
    for (let n = 0; n < 3 * fits; n++) bench.buckets.take({ lo: n, hi: n }, 1, bench.nowMs)
    other.take({ lo: 1, hi: 2 }, 1, bench.nowMs)
    for (let i = 0; i < 2; i++) bench.replicator.tick()
    const sent = bench.sent.flatMap(({ message }) => (message.kind === 'batch' ? message.sections : []))
    expect(sent.filter(({ table }) => table === 7)).toHaveLength(2)
    expect(sent.find(({ table }) => table === 8)?.entries).toHaveLength(1)
  })

  test('malformed messages, other versions and unknown limits are counted, and reported once for each sender', () => {
    bench.receive('eu/0', Buffer.from('hello'))
    bench.receive('eu/0', Buffer.from('hello, hello, hello'))
    const other = encode({ kind: 'request', incarnation: 1, request: 1, start: { table: 0, row: 0 } })
    other[2] = 99
    bench.receive('eu/0', other)
    const entry = { lo: 1, hi: 2, generation: 1, taken: 1, returned: 0, ownDebt: 1, debt: Number.NaN }
    bench.batch('eu/0', 0, { sections: [{ table: 8, entries: [entry, entry] }] })
    expect(bench.replicator.stats).toMatchObject({ malformed: 3, entriesUnknown: 2 })
    expect(bench.problems).toEqual([
      ['eu/0', 'malformed'],
      ['eu/0', 'version'],
      ['eu/0', 'unknown limit'],
    ])
  })

  test('there are at most 255 peers; the slot of one long gone is given to the next', () => {
    for (let n = 0; n < 300; n++) bench.batch(`eu/${n}`, 0)
    expect(bench.replicator.peers()).toHaveLength(255)
    expect(bench.replicator.stats.batchesRefused).toBe(45)
    expect(bench.problems[0]).toEqual(['eu/255', 'too many replicas'])
    bench.nowMs += 600_000
    bench.batch('ap/0', 0, { taken: 3 })
    expect(bench.replicator.peers().map(({ replica }) => replica)).toContain('ap/0')
    expect(bench.replicator.peers()).toHaveLength(255)
  })
})

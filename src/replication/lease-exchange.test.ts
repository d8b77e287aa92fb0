import { beforeEach, expect, test } from 'vitest'
import { LeaseExchange, type LeasedTable, type LeasePeer } from './lease-exchange.ts'
import type { Lease, ReplicationMessage } from './messages.ts'

const lease: Lease = { lo: 1, hi: 2, part: 0.5, tokens: 3, need: 4, memory: 5 }
const eu: LeasePeer = { replica: 'eu/0', slot: 1, incarnation: 8, inContact: true }

/** The messages that an exchange of incarnation 5 sends, and the grants that reach its table. */
let sent: ReplicationMessage[]
let granted: [slot: number, grant: Lease, sentAt: number][]
let exchange: LeaseExchange

beforeEach(() => {
  sent = []
  granted = []
  exchange = new LeaseExchange({ incarnation: 5, send: (_to, message) => sent.push(message) })
  const table: LeasedTable = {
    id: 7,
    isUrgent: false,
    claims: (_nowMs, _peers, write) => write(1, lease),
    urgentClaims: () => {},
    claimed: (_slot, claim, sentAt) => (sentAt < 100 ? undefined : { ...claim, part: 0.25 }),
    granted: (slot, grant, sentAt) => granted.push([slot, grant, sentAt]),
    forgetReplica: () => {},
  }
  exchange.setTables([table])
})

test('claims are named by their time, made even', () => {
  exchange.tick([eu], 1001.7)
  expect(sent).toEqual([
    { kind: 'claims', incarnation: 5, sentAt: 1000, sections: [{ table: 7, leases: [lease] }] },
  ])
})

test('a claim is answered with its name and its sender’s incarnation, and an old one not at all', () => {
  const claims = { kind: 'claims', incarnation: 8, sections: [{ table: 7, leases: [lease] }] } as const
  exchange.answer(eu, { ...claims, sentAt: 98 }, 1000)
  expect(sent).toEqual([])
  exchange.answer(eu, { ...claims, sentAt: 100 }, 1000)
  const sections = [{ table: 7, leases: [{ ...lease, part: 0.25 }] }]
  expect(sent).toEqual([{ kind: 'grants', incarnation: 5, claimant: 8, sentAt: 100, sections }])
})

test('a grant that answers an earlier life is dropped: its claims may have had the same names', () => {
  const grants = {
    kind: 'grants',
    incarnation: 8,
    sentAt: 100,
    sections: [{ table: 7, leases: [lease] }],
  } as const
  exchange.take(eu, { ...grants, claimant: 4 }, 1000)
  expect(granted).toEqual([])
  exchange.take(eu, { ...grants, claimant: 5 }, 1000)
  expect(granted).toEqual([[1, lease, 100]])
})

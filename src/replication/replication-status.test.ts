import { expect, test } from 'vitest'
import { withoutStopped, type PeerStatus } from './replication-status.ts'

const peer = (replica: string, silentMs: number): PeerStatus => ({
  replica,
  inContact: silentMs < 600,
  silentMs,
  delayMs: 40,
})
const shown = (...peers: PeerStatus[]): string[] =>
  withoutStopped(peers, 'us/0', 600).map(({ replica }) => replica)

test('a replica that was stopped is no longer shown, once others of its region were heard for a while without it', () => {
  expect(shown(peer('eu/0', 50), peer('eu/1', 5999))).toEqual(['eu/0', 'eu/1'])
  expect(shown(peer('eu/0', 50), peer('eu/1', 6000))).toEqual(['eu/0'])
})

test('of the own region this replica itself is one that is heard', () => {
  expect(shown(peer('us/1', 6000))).toEqual([])
})

test('all of a region that is cut off are missed', () => {
  expect(shown(peer('eu/0', 60_000), peer('eu/1', 60_000))).toEqual(['eu/0', 'eu/1'])
})

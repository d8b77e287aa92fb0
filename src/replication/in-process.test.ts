import { expect, test } from 'vitest'
import { InProcessNetwork } from './in-process.ts'
import { runTransportContract } from './transport.contract.ts'

/** Deliveries in the order of their times, all at once when asked for. */
function heldNetwork(inFlightMax?: number): {
  network: InProcessNetwork
  deliverAll: () => void
  delays: number[]
} {
  const held: { deliver: () => void; delayMs: number }[] = []
  const network = new InProcessNetwork({
    delayMs: (from, to) => from.length + 10 * to.length,
    schedule: (deliver, delayMs) => held.push({ deliver, delayMs }),
    ...(inFlightMax !== undefined && { inFlightMax }),
  })
  return {
    network,
    deliverAll: () => {
      for (const { deliver } of held.splice(0)) deliver()
    },
    get delays() {
      return held.map(({ delayMs }) => delayMs)
    },
  }
}

runTransportContract('in process', () => {
  const { network, deliverAll } = heldNetwork()
  return Promise.resolve({
    connect: (self) => Promise.resolve(network.connect(self)),
    delivered: () => Promise.resolve(deliverAll()),
    close: () => Promise.resolve(),
  })
})

test('a name can be connected once at a time', async () => {
  const { network } = heldNetwork()
  const first = network.connect('us/0')
  expect(() => network.connect('us/0')).toThrow('us/0 is already connected')
  await first.close()
  expect(network.connect('us/0').self).toBe('us/0')
})

test('a message takes the time that its link takes', () => {
  const held = heldNetwork()
  const a = held.network.connect('a')
  held.network.connect('bb')
  held.network.connect('ccc')
  a.broadcast('buckets', new Uint8Array(1))
  expect(held.delays).toEqual([21, 31])
})

test('a link holds so many messages; what comes on top is dropped and counted, link by link', () => {
  const { network, deliverAll } = heldNetwork(2)
  const a = network.connect('a')
  const heard: number[] = []
  network.connect('b').receive('buckets', (_from, payload) => heard.push(payload[0]!))
  network.connect('c')
  for (const n of [1, 2, 3]) a.send('b', 'buckets', Uint8Array.of(n))
  a.send('c', 'buckets', Uint8Array.of(4))
  expect(a.dropped).toBe(1)
  deliverAll()
  a.send('b', 'buckets', Uint8Array.of(5))
  deliverAll()
  expect(heard).toEqual([1, 2, 5])
})

import { afterEach, describe, expect, test } from 'vitest'
import { messageBytesMax } from './messages.ts'
import type { Channel, ReplicaId, Transport } from './transport.ts'

/** A network to test: replicas can be connected to it. */
export interface TestNetwork {
  connect(self: ReplicaId): Promise<Transport>
  /** Resolves when all that was sent is delivered. */
  delivered(): Promise<void>
  close(): Promise<void>
}

/** What every transport promises, over a network without faults. */
export function runTransportContract(name: string, open: () => Promise<TestNetwork>): void {
  describe(`transport: ${name}`, () => {
    let network: TestNetwork
    afterEach(() => network.close())

    const join = async (...names: ReplicaId[]): Promise<{ transports: Transport[]; heard: string[] }> => {
      network = await open()
      const heard: string[] = []
      const transports: Transport[] = []
      for (const self of names) {
        const transport = await network.connect(self)
        transports.push(transport)
        for (const channel of ['buckets', 'cache'] satisfies Channel[]) {
          transport.receive(channel, (from, payload) =>
            heard.push(`${from}>${self} ${channel} ${Buffer.from(payload).toString()}`),
          )
        }
      }
      return { transports, heard }
    }

    test('a broadcast reaches all others, and not its sender', async () => {
      const { transports, heard } = await join('us/0', 'eu/0', 'eu/1')
      transports[0]!.broadcast('buckets', Buffer.from('hello'))
      await network.delivered()
      expect(heard.toSorted()).toEqual(['us/0>eu/0 buckets hello', 'us/0>eu/1 buckets hello'])
    })

    test('what is sent to one reaches only that one, on its channel', async () => {
      const { transports, heard } = await join('us/0', 'eu/0', 'ap/0')
      transports[0]!.send('ap/0', 'cache', Buffer.from('psst'))
      await network.delivered()
      expect(heard).toEqual(['us/0>ap/0 cache psst'])
    })

    test('what is sent to nobody, or to oneself, harms nobody', async () => {
      const { transports, heard } = await join('us/0', 'eu/0')
      transports[0]!.send('mars/0', 'buckets', Buffer.from('hello'))
      transports[0]!.send('us/0', 'buckets', Buffer.from('hello'))
      await network.delivered()
      expect(heard).toEqual([])
    })

    test('any bytes arrive unaltered, up to the largest message', async () => {
      network = await open()
      const [a, b] = [await network.connect('us/0'), await network.connect('eu/0')]
      const got: Uint8Array[] = []
      b.receive('buckets', (_from, payload) => got.push(payload))
      const payload = Uint8Array.from({ length: messageBytesMax }, (_, i) => (i * 31) & 255)
      a.send('eu/0', 'buckets', payload.slice())
      a.send('eu/0', 'buckets', new Uint8Array(0))
      await network.delivered()
      expect(got.map((bytes) => bytes.length).toSorted((x, y) => x - y)).toEqual([0, messageBytesMax])
      expect(
        Buffer.compare(
          got.find((bytes) => bytes.length > 0)!,
          payload,
        ),
      ).toBe(0)
    })

    test('after closing nothing is sent or received, and what was sent before still arrives', async () => {
      const { transports, heard } = await join('us/0', 'eu/0', 'ap/0')
      transports[0]!.broadcast('buckets', Buffer.from('last'))
      await transports[0]!.close()
      transports[0]!.broadcast('buckets', Buffer.from('too late'))
      transports[1]!.send('us/0', 'buckets', Buffer.from('anybody there?'))
      await network.delivered()
      expect(heard.toSorted()).toEqual(['us/0>ap/0 buckets last', 'us/0>eu/0 buckets last'])
    })
  })
}

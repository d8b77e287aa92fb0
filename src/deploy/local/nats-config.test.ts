import { expect, test } from 'vitest'
import { natsConfig } from './nats-config.ts'

const ports = (first: number) => ({
  http: first,
  nats: first + 1,
  natsMonitor: first + 2,
  natsGateway: first + 3,
  natsRoutes: first + 4,
})
const options = {
  region: 'us',
  ports: { us: ports(100), eu: ports(200), ap: ports(300) },
  storeDir: '/data/us',
  password: 'secret',
}

test("a region's server listens on loopback only, and knows the gateways of the others", () => {
  const text = natsConfig(options)
  expect(text.match(/(?:listen|http): "[^"]*"/g)).toEqual([
    'listen: "127.0.0.1:101"',
    'http: "127.0.0.1:102"',
    'listen: "127.0.0.1:104"',
    'listen: "127.0.0.1:103"',
  ])
  expect(text.match(/name: "(\w+)", urls: \["[^"]*:(\d+)"\]/g)).toEqual([
    'name: "eu", urls: ["nats://openclaw:secret@127.0.0.1:203"]',
    'name: "ap", urls: ["nats://openclaw:secret@127.0.0.1:303"]',
  ])
})

test('a region without ports is a mistake of the caller', () => {
  expect(() => natsConfig({ ...options, region: 'mars' })).toThrow(/mars/)
})

import { expect, test } from 'vitest'
import { natsConfig } from './nats-config.ts'

test("a region's server listens where it is told, and knows the gateways of the others", () => {
  const text = natsConfig({
    region: 'us',
    host: '127.0.0.1',
    ports: { nats: 101, natsMonitor: 102, natsGateway: 103, natsRoutes: 104 },
    gateways: { eu: '127.0.0.1:203', ap: 'nats-ap:303' },
    storeDir: '/data/us',
    password: 'secret',
    user: 'UABC',
  })
  expect(text).toContain('authorization { users: [{ nkey: UABC }] }')
  expect(text.match(/(?:listen|http): "[^"]*"/g)).toEqual([
    'listen: "127.0.0.1:101"',
    'http: "127.0.0.1:102"',
    'listen: "127.0.0.1:104"',
    'listen: "127.0.0.1:103"',
  ])
  expect(text.match(/name: "(\w+)", urls: \["[^"]*"\]/g)).toEqual([
    'name: "eu", urls: ["nats://openclaw:secret@127.0.0.1:203"]',
    'name: "ap", urls: ["nats://openclaw:secret@nats-ap:303"]',
  ])
})

test('a region alone has no cluster, which would wait for a majority of others', () => {
  const text = natsConfig({
    region: 'us',
    host: '127.0.0.1',
    ports: { nats: 101, natsMonitor: 102, natsGateway: 103, natsRoutes: 104 },
    gateways: {},
    storeDir: '/data/us',
    password: 'secret',
  })
  expect(text).toContain('jetstream')
  expect(text).not.toMatch(/cluster|gateway/)
})

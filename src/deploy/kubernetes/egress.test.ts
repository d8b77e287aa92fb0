import { expect, test } from 'vitest'
import { readConfig } from '../config-check.ts'
import type { EdgeEnvironment } from '../environment.ts'
import { edgePorts, leafPort } from './egress.ts'

const db = { RATING_DB_URL: 'postgres://rating:hidden@db/rating' }

function portsOf(env: EdgeEnvironment, sections = 'auth: { mode: off }'): readonly number[] {
  const text = `token_buckets: { us: { capacity: 5, refill_per_sec: 1 } }\n${sections}\n`
  return edgePorts(readConfig(text, { file: 'config.yaml', env }), env)
}

test.each([
  ['the usual port', 'postgres://rating@db/rating', [5432]],
  ['a port of its own', 'postgresql://rating:a%40b@db:6432/rating?sslmode=require', [6432]],
  ['several hosts', 'postgres://rating:hidden@a:5433,b:5434/rating', [5433, 5434]],
  ['hosts without a port, which have that of the first', 'postgres://rating@a:5433,b/rating', [5433]],
])('the store: %s', (_title, url, ports) => {
  expect(portsOf({ RATING_DB_URL: url })).toEqual(ports)
})

test('the driver takes the usual port of the store from the environment', () => {
  expect(portsOf({ ...db, PGPORT: '7000' })).toEqual([7000])
})

test('the replica of the store, from the configuration or the environment', () => {
  expect(
    portsOf(db, 'auth: { mode: off }\nstore: { read_url: "postgres://rating@near:5440/rating" }'),
  ).toEqual([5432, 5440])
  expect(portsOf({ ...db, RATING_DB_READ_URL: 'postgres://rating@near:5441/rating' })).toEqual([5432, 5441])
})

test.each([
  ['https://keys.example.com/jwks', [443, 5432]],
  ['https://keys.example.com:8443/jwks', [5432, 8443]],
  ['http://127.0.0.1:8081/jwks', [5432]],
])('keys that sign tokens at %s', (url, ports) => {
  expect(portsOf(db, `auth: { jwt: { issuer: i, audience: a, jwks_url: "${url}" } }`)).toEqual(ports)
})

const general = 'OTEL_EXPORTER_OTLP_ENDPOINT'
const traces = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'
test.each([
  [{ [general]: 'http://collector:4318' }, [4318, 5432]],
  [{ [general]: 'http://collector' }, [80, 5432]],
  [{ [general]: 'https://collector' }, [443, 5432]],
  [{ [traces]: 'http://collector:4319/v1/traces', [general]: 'http://collector:4318' }, [4319, 5432]],
  [{ [traces]: ' ', [general]: 'http://collector:4318' }, [4318, 5432]],
  [{ [general]: 'http://localhost:4318' }, [5432]],
  [{ [general]: 'http://[::1]:4318' }, [5432]],
  [{ [general]: 'http://collector:4318', OTEL_SDK_DISABLED: 'true' }, [5432]],
  [{ [general]: 'collector' }, [5432]],
])('the collector of traces by %j', (env, ports) => {
  expect(portsOf({ ...db, ...env })).toEqual(ports)
})

test.each([
  ['nats://nats', 7422],
  ['tls://nats.us.example.com:443', 443],
  ['nats-leaf://[fd00::1]:7522', 7522],
])('the leaf node port of %s', (url, port) => {
  expect(leafPort(url)).toBe(port)
})

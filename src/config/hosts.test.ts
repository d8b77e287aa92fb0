import { expect, test } from 'vitest'
import { isHost, isKeySetUrl, isLoopback, isNatsUrl, parsePostgresUrl } from './hosts.ts'

test.each(['127.0.0.1', '127.8.8.8', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', 'localhost', 'LOCALHOST'])(
  '%s is reached from its own machine only',
  (host) => {
    expect(isLoopback(host)).toBe(true)
  },
)

test.each(['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', '::ffff:10.0.0.1', 'localhost.example.com', 'edge-1'])(
  '%s is reached from other machines',
  (host) => {
    expect(isLoopback(host)).toBe(false)
  },
)

test.each(['edge-1.internal', 'a', '1.2.3.4', '::', 'fe80::1'])('%s is a host', (host) => {
  expect(isHost(host)).toBe(true)
})

test.each(['', '-a', 'a_b', 'http://a', '[::1]', 'a:80', 'a..b', 'x'.repeat(64)])('%j is no host', (host) => {
  expect(isHost(host)).toBe(false)
})

test.each([
  'postgres://db/rating',
  'postgresql://user:pw@db:5432/rating?sslmode=require',
  'postgres://u:p,w@a:1,b:2,c/rating',
])('%s is a PostgreSQL URL', (url) => {
  expect(parsePostgresUrl(url)).toBeDefined()
})

test.each(['', 'db', 'mysql://db', 'postgres:db', 'postgres:///rating', 'postgres://a:b:c', 'https://db'])(
  '%j is no PostgreSQL URL',
  (url) => {
    expect(parsePostgresUrl(url)).toBeUndefined()
  },
)

test.each(['https://login.example.com/jwks', 'http://localhost:9/jwks', 'http://[::1]/jwks'])(
  'keys may be fetched from %s',
  (url) => {
    expect(isKeySetUrl(url)).toBe(true)
  },
)

test.each(['http://login.example.com/jwks', 'https://user:pw@login.example.com', 'file:///etc/passwd', 'x'])(
  'keys may not be fetched from %s',
  (url) => {
    expect(isKeySetUrl(url)).toBe(false)
  },
)

test.each(['nats://nats-1:4222', 'tls://[::1]:4222', 'nats://10.0.0.1', 'tls://a.b:1/'])(
  'nodes may be joined by %s',
  (url) => {
    expect(isNatsUrl(url)).toBe(true)
  },
)

test.each([
  'nats-1:4222',
  'http://a',
  'nats://u:p@a',
  'nats://u@a',
  'nats://a/b',
  'nats://a?b',
  'nats://',
  'nats://a_b',
])('nodes may not be joined by %s', (url) => {
  expect(isNatsUrl(url)).toBe(false)
})

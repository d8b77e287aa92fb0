import fc from 'fast-check'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { formatDuration } from './duration.ts'
import type { EdgeConfig, LimitConfig, NatsConfig, SharesConfig } from './edge-config.ts'
import { parseConfig } from './load.ts'
import { formatProblems } from './problem.ts'

const dangerous = ['constructor', 'prototype']
const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,62}$/).filter((text) => !dangerous.includes(text))
const region = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/).filter((text) => !dangerous.includes(text))
const person = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => !/\p{Cc}/u.test(text))

const shares: fc.Arbitrary<SharesConfig> = fc.dictionary(
  region,
  fc.record({
    capacity: fc.integer({ min: 1, max: 1e9 }),
    refillPerSec: fc.double({ min: 1e-300, max: 1e9, noNaN: true }),
  }),
  { minKeys: 1, maxKeys: 5, noNullPrototype: true },
)

const capacities = (some: SharesConfig): number[] => Object.values(some).map(({ capacity }) => capacity)

const limit: fc.Arbitrary<LimitConfig> = fc
  .record({
    name,
    mode: fc.constantFrom('pooled', 'strict', 'local'),
    key: fc.constant('user'),
    shares,
    bucketsMax: fc.integer({ min: 1, max: 16_000_000 }),
    parts: fc.array(shares, { maxLength: 3 }),
    keys: fc.uniqueArray(person, { minLength: 3, maxLength: 9 }),
    cost: fc.integer({ min: 1, max: 1e9 }),
    deny: fc.array(person, { maxLength: 3 }),
    shadow: fc.boolean(),
  })
  .map(({ parts, keys, cost, ...rest }) => ({
    ...rest,
    // What every bucket of the limit can pay in either mode.
    cost: Math.min(cost, ...[rest.shares, ...parts].flatMap(capacities)),
    overrides: parts.map((part, at) => ({
      keys: keys.filter((_, position) => position % parts.length === at),
      shares: part,
    })),
  }))

const sync = fc
  .record({
    intervalMs: fc.integer({ min: 10, max: 5000 }),
    beyond: fc.nat({ max: 40_000 }),
    quietPart: fc.double({ min: 0, max: 1, noNaN: true }),
    snapshotIntervalMs: fc.integer({ min: 100, max: 3_600_000 }),
  })
  .map(({ intervalMs, beyond, ...rest }) => ({
    ...rest,
    intervalMs,
    contactTimeoutMs: 4 * intervalMs + beyond,
  }))

const http = fc
  .record({
    host: fc.constantFrom('127.0.0.1', '::1', 'localhost'),
    port: fc.integer({ min: 0, max: 65_535 }),
    maxBodyBytes: fc.integer({ min: 1024, max: 1_048_576 }),
    headersTimeoutMs: fc.integer({ min: 100, max: 300_000 }),
    beyond: fc.nat({ max: 300_000 }),
    keepAliveTimeoutMs: fc.integer({ min: 100, max: 600_000 }),
    shutdownTimeoutMs: fc.integer({ min: 0, max: 600_000 }),
    maxConnections: fc.integer({ min: 1, max: 1_000_000 }),
    tls: fc.option(
      fc.record({
        certFile: person,
        keyFile: person,
        minVersion: fc.constantFrom('TLSv1.2' as const, 'TLSv1.3' as const),
      }),
    ),
    addressLimit: fc.option(
      fc.record({
        capacity: fc.integer({ min: 1, max: 1e9 }),
        refillPerSec: fc.double({ min: 1e-300, max: 1e9, noNaN: true }),
        addressesMax: fc.integer({ min: 1, max: 16_000_000 }),
      }),
    ),
    trustedProxies: fc.array(fc.constantFrom('10.0.0.0/8', 'fd00::/8', '192.0.2.1', '::1/128'), {
      maxLength: 4,
    }),
    clientAddressHeader: fc.constantFrom('x-forwarded-for' as const, 'forwarded' as const),
  })
  .map(({ beyond, ...rest }) => ({ ...rest, requestTimeoutMs: rest.headersTimeoutMs + beyond }))

const auth = fc.record({
  mode: fc.constantFrom('required', 'off'),
  apiKeys: fc.uniqueArray(
    fc.record({
      id: name,
      subject: person,
      sha256: fc.stringMatching(/^[0-9a-f]{64}$/),
      scopes: fc.uniqueArray(fc.constantFrom('rate', 'read', 'admin'), { minLength: 1 }),
      notBeforeMs: fc.option(fc.integer({ min: 0, max: 1e12 })),
      expiresMs: fc.option(fc.integer({ min: 1e12 + 1, max: 2e12 })),
    }),
    { maxLength: 4, comparator: (a, b) => a.id === b.id || a.sha256 === b.sha256 },
  ),
  jwt: fc.record({
    issuer: person,
    audience: person,
    jwksUrl: fc.constant('https://login.example.com/jwks'),
    publicKeyFile: fc.constant(null),
    subjectClaim: person,
    scopeClaim: person,
  }),
})

const store = fc.record({
  dataDir: person,
  url: fc.constant(null),
  readUrl: fc.constant(null),
  poolMax: fc.integer({ min: 1, max: 1000 }),
  connectTimeoutMs: fc.integer({ min: 100, max: 60_000 }),
  statementTimeoutMs: fc.integer({ min: 100, max: 600_000 }),
  groupCommit: fc.record({
    maxDelayMs: fc.integer({ min: 0, max: 100 }),
    batchMax: fc.integer({ min: 1, max: 5000 }),
    inFlightMax: fc.integer({ min: 1, max: 64 }),
    queueMax: fc.integer({ min: 5000, max: 1_000_000 }),
  }),
  queue: fc.record({
    maxBytes: fc.integer({ min: 1_048_576, max: 2 ** 40 }),
    maxMessages: fc.integer({ min: 1, max: 100_000_000 }),
    maxAgeMs: fc.integer({ min: 1000, max: 86_400_000 }),
    replicas: fc.integer({ min: 1, max: 5 }),
  }),
  idempotencyTtlMs: fc.integer({ min: 86_400_000, max: 999_999_999 }),
  cache: fc.record({
    maxEntries: fc.integer({ min: 1, max: 10_000_000 }),
    ttlMs: fc.integer({ min: 1, max: 3_600_000 }),
    staleMs: fc.integer({ min: 0, max: 86_400_000 }),
    staleIfErrorMs: fc.integer({ min: 0, max: 86_400_000 }),
    maxBytes: fc.integer({ min: 65_536, max: 68_719_476_736 }),
  }),
  bayesian: fc.record({
    priorMean: fc.double({ min: 1, max: 5, noNaN: true }),
    priorWeight: fc.double({ min: 0, max: 1e6, noNaN: true }).map((weight) => weight + 0),
  }),
})

const filePath = fc.option(fc.constantFrom('/etc/openclaw/a.pem', 'b'))
const nats: fc.Arbitrary<NatsConfig> = fc
  .record({
    servers: fc.array(fc.constantFrom('nats://nats-1:4222', 'tls://[::1]:4222', 'nats://10.0.0.1:1'), {
      minLength: 1,
      maxLength: 16,
    }),
    credsFile: filePath,
    nkeySeedFile: filePath,
    jetStreamDomain: fc.constantFrom(null, 'hub'),
    tls: fc.option(fc.record({ caFile: filePath, certFile: filePath })),
  })
  .map(({ tls, ...rest }) => ({
    ...rest,
    nkeySeedFile: rest.credsFile === null ? rest.nkeySeedFile : null,
    tls: tls && { ...tls, keyFile: tls.certFile },
  }))

const config: fc.Arbitrary<EdgeConfig> = fc
  .record({
    limits: fc.uniqueArray(limit, { minLength: 1, maxLength: 4, selector: ({ name: own }) => own }),
    cluster: fc.record({ name, hashKey: fc.constant(null), nats: fc.option(nats) }),
    auth,
    sync,
    store,
    http,
    log: fc.record({
      level: fc.constantFrom('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
      auditFile: filePath,
    }),
  })
  .map((parts) => ({ ...parts, regions: [...new Set(parts.limits.flatMap(regionsOf))] }))

const regionsOf = (some: LimitConfig): string[] =>
  [some.shares, ...some.overrides.map((override) => override.shares)].flatMap((each) => Object.keys(each))

const toFile = ({ limits, cluster, auth: who, sync: times, store: kept, http: server, log }: EdgeConfig) => ({
  limits: Object.fromEntries(
    limits.map(({ name: own, bucketsMax, shares: some, overrides, ...rest }) => [
      own,
      {
        ...rest,
        max_buckets: bucketsMax,
        shares: sharesToFile(some),
        overrides: overrides.map((override) => ({
          keys: override.keys,
          shares: sharesToFile(override.shares),
        })),
      },
    ]),
  ),
  cluster: {
    name: cluster.name,
    nats: cluster.nats
      ? {
          servers: cluster.nats.servers,
          creds_file: cluster.nats.credsFile ?? undefined,
          nkey_seed_file: cluster.nats.nkeySeedFile ?? undefined,
          jetstream_domain: cluster.nats.jetStreamDomain ?? undefined,
          tls: cluster.nats.tls
            ? {
                ca_file: cluster.nats.tls.caFile ?? undefined,
                cert_file: cluster.nats.tls.certFile ?? undefined,
                key_file: cluster.nats.tls.keyFile ?? undefined,
              }
            : undefined,
        }
      : undefined,
  },
  auth: {
    mode: who.mode,
    api_keys: who.apiKeys.map(({ notBeforeMs, expiresMs, ...key }) => ({
      ...key,
      not_before: notBeforeMs === null ? undefined : new Date(notBeforeMs).toISOString(),
      expires: expiresMs === null ? undefined : new Date(expiresMs).toISOString(),
    })),
    jwt: {
      issuer: who.jwt?.issuer,
      audience: who.jwt?.audience,
      jwks_url: who.jwt?.jwksUrl,
      subject_claim: who.jwt?.subjectClaim,
      scope_claim: who.jwt?.scopeClaim,
    },
  },
  sync: {
    interval: times.intervalMs,
    contact_timeout: formatDuration(times.contactTimeoutMs),
    snapshot_interval: times.snapshotIntervalMs,
    quiet_part: times.quietPart,
  },
  store: {
    data_dir: kept.dataDir,
    pool_max: kept.poolMax,
    connect_timeout: formatDuration(kept.connectTimeoutMs),
    statement_timeout: formatDuration(kept.statementTimeoutMs),
    group_commit: {
      max_delay: formatDuration(kept.groupCommit.maxDelayMs),
      batch_max: kept.groupCommit.batchMax,
      in_flight_max: kept.groupCommit.inFlightMax,
      queue_max: kept.groupCommit.queueMax,
    },
    queue: {
      max_bytes: kept.queue.maxBytes,
      max_messages: kept.queue.maxMessages,
      max_age: formatDuration(kept.queue.maxAgeMs),
      replicas: kept.queue.replicas,
    },
    idempotency_ttl: formatDuration(kept.idempotencyTtlMs),
    cache: {
      max_entries: kept.cache.maxEntries,
      ttl: formatDuration(kept.cache.ttlMs),
      stale: formatDuration(kept.cache.staleMs),
      stale_if_error: formatDuration(kept.cache.staleIfErrorMs),
      max_bytes: kept.cache.maxBytes,
    },
    bayesian: { prior_mean: kept.bayesian.priorMean, prior_weight: kept.bayesian.priorWeight },
  },
  http: {
    host: server.host,
    port: server.port,
    max_body_bytes: server.maxBodyBytes,
    request_timeout: formatDuration(server.requestTimeoutMs),
    headers_timeout: formatDuration(server.headersTimeoutMs),
    keep_alive_timeout: formatDuration(server.keepAliveTimeoutMs),
    shutdown_timeout: formatDuration(server.shutdownTimeoutMs),
    max_connections: server.maxConnections,
    tls: server.tls
      ? { cert_file: server.tls.certFile, key_file: server.tls.keyFile, min_version: server.tls.minVersion }
      : undefined,
    address_limit: server.addressLimit
      ? {
          capacity: server.addressLimit.capacity,
          refill_per_sec: server.addressLimit.refillPerSec,
          max_addresses: server.addressLimit.addressesMax,
        }
      : undefined,
    trusted_proxies: server.trustedProxies,
    client_address_header: server.clientAddressHeader,
  },
  log: { level: log.level, audit_file: log.auditFile ?? undefined },
})

const sharesToFile = (some: SharesConfig) =>
  Object.fromEntries(
    Object.entries(some).map(([where, { capacity, refillPerSec }]) => [
      where,
      { capacity, refill_per_sec: refillPerSec },
    ]),
  )

test('any valid configuration written to a file is read as the same', () => {
  fc.assert(
    fc.property(config, fc.boolean(), (written, asJson) => {
      const file = toFile(written)
      const text = asJson ? JSON.stringify(file) : stringify(file)
      const result = parseConfig(text, { file: 'f.yaml', env: {} })
      expect(result.ok ? '' : formatProblems(result.errors)).toBe('')
      expect(result.ok && result.config).toEqual(written)
    }),
    { numRuns: 200 },
  )
})

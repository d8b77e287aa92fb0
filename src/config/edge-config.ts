import { isMap } from './raw.ts'
import { limitSchema, type Settings } from './schema.ts'
import { Secret } from './secret.ts'

/** What one region adds to a limit. */
export interface ShareConfig {
  /** Tokens; a positive integer. */
  readonly capacity: number
  /** Tokens a second; positive. */
  readonly refillPerSec: number
}

export type SharesConfig = Readonly<Record<string, ShareConfig>>

export interface LimitConfig {
  readonly name: string
  readonly mode: 'pooled' | 'strict' | 'local'
  /** Whom a bucket counts. */
  readonly key: 'user'
  /** Tokens that a request takes unless it says how many. */
  readonly cost: number
  /** By region. A region that is not in it adds nothing. */
  readonly shares: SharesConfig
  readonly overrides: readonly { readonly keys: readonly string[]; readonly shares: SharesConfig }[]
  /** Keys that are always refused. */
  readonly deny: readonly string[]
  /** Whether it refuses nobody, and only counts whom it would refuse. */
  readonly shadow: boolean
  /** Buckets in memory at most. */
  readonly bucketsMax: number
}

export type Scope = 'rate' | 'read' | 'admin'

export interface ApiKeyConfig {
  /** Names the key in logs. */
  readonly id: string
  /** The user it stands for. */
  readonly subject: string
  /** SHA-256 of the key; 64 small hexadecimal digits. */
  readonly sha256: string
  readonly scopes: readonly Scope[]
  /** From when to when it is valid, in milliseconds since 1970; null for always. */
  readonly notBeforeMs: number | null
  readonly expiresMs: number | null
}

/** Exactly one of `jwksUrl` and `publicKeyFile` is not null. */
export interface JwtConfig {
  readonly issuer: string
  readonly audience: string
  readonly jwksUrl: string | null
  readonly publicKeyFile: string | null
  readonly subjectClaim: string
  readonly scopeClaim: string
}

export interface HttpTlsConfig {
  readonly certFile: string
  readonly keyFile: string
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
}

/** At most one of `credsFile` and `nkeySeedFile` is not null. */
export interface NatsConfig {
  readonly servers: readonly string[]
  readonly credsFile: string | null
  readonly nkeySeedFile: string | null
  /** Null for the servers' own. */
  readonly jetStreamDomain: string | null
  readonly tls: {
    readonly caFile: string | null
    readonly certFile: string | null
    readonly keyFile: string | null
  } | null
}

/** The configuration of an edge: complete, valid and deeply frozen. Times are milliseconds. */
export interface EdgeConfig {
  /** At least one; the one named `ratings`, if there is one, guards the ratings. */
  readonly limits: readonly LimitConfig[]
  /** Every region that has a share of some limit, in the order of the file. */
  readonly regions: readonly string[]
  readonly cluster: {
    readonly name: string
    /** 16 to 1024 small hexadecimal digits; null when the environment gives none, which is right for one process only. */
    readonly hashKey: Secret | null
    /** Null for a node that is alone. */
    readonly nats: NatsConfig | null
  }
  readonly auth: {
    readonly mode: 'required' | 'off'
    readonly apiKeys: readonly ApiKeyConfig[]
    readonly jwt: JwtConfig | null
  }
  readonly sync: {
    readonly intervalMs: number
    readonly contactTimeoutMs: number
    readonly snapshotIntervalMs: number
    readonly quietPart: number
  }
  readonly store: {
    /** Of the embedded database. */
    readonly dataDir: string
    /** Of PostgreSQL; null for the embedded database. */
    readonly url: Secret | null
    /** Of a replica of it for reads. */
    readonly readUrl: Secret | null
    readonly poolMax: number
    readonly connectTimeoutMs: number
    readonly statementTimeoutMs: number
    readonly groupCommit: {
      readonly maxDelayMs: number
      readonly batchMax: number
      readonly inFlightMax: number
      readonly queueMax: number
    }
    /** Where ratings wait while the store is away. */
    readonly queue: {
      readonly maxBytes: number
      readonly maxMessages: number
      readonly maxAgeMs: number
      readonly replicas: number
    }
    readonly idempotencyTtlMs: number
    readonly cache: {
      /** Of each kind of entry. */
      readonly maxEntries: number
      readonly maxBytes: number
      readonly ttlMs: number
      readonly staleMs: number
      readonly staleIfErrorMs: number
    }
    readonly bayesian: { readonly priorMean: number; readonly priorWeight: number }
  }
  readonly http: {
    readonly host: string
    /** 0 is any free one. */
    readonly port: number
    readonly maxBodyBytes: number
    readonly requestTimeoutMs: number
    readonly headersTimeoutMs: number
    readonly keepAliveTimeoutMs: number
    readonly shutdownTimeoutMs: number
    readonly maxConnections: number
    /** Null for plain HTTP. */
    readonly tls: HttpTlsConfig | null
    /** Null for none. */
    readonly addressLimit: (ShareConfig & { readonly addressesMax: number }) | null
    /** IP addresses and subnets. */
    readonly trustedProxies: readonly string[]
    readonly clientAddressHeader: 'x-forwarded-for' | 'forwarded'
  }
  readonly log: {
    readonly level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
    /** Null for the log itself. */
    readonly auditFile: string | null
  }
}

type Shares = NonNullable<Settings['token_buckets']>

export function toEdgeConfig(
  settings: Settings,
  secrets: { hashKey: Secret | null; storeUrl: Secret | null; storeReadUrl: Secret | null },
): EdgeConfig {
  const limits = toLimits(settings)
  const { cluster, sync, http, log } = settings
  return deepFreeze({
    limits,
    regions: regionsOf(limits),
    cluster: { name: cluster.name, hashKey: secrets.hashKey, nats: toNats(cluster.nats) },
    auth: toAuth(settings.auth),
    sync: {
      intervalMs: sync.interval,
      contactTimeoutMs: sync.contact_timeout,
      snapshotIntervalMs: sync.snapshot_interval,
      quietPart: sync.quiet_part,
    },
    store: toStore(settings.store, secrets),
    http: toHttp(http),
    log: { level: log.level, auditFile: log.audit_file ?? null },
  })
}

function toHttp(http: Settings['http']): EdgeConfig['http'] {
  const { tls, address_limit: limit } = http
  return {
    host: http.host,
    port: http.port,
    maxBodyBytes: http.max_body_bytes,
    requestTimeoutMs: http.request_timeout,
    headersTimeoutMs: http.headers_timeout,
    keepAliveTimeoutMs: http.keep_alive_timeout,
    shutdownTimeoutMs: http.shutdown_timeout,
    maxConnections: http.max_connections,
    tls: tls ? { certFile: tls.cert_file, keyFile: tls.key_file, minVersion: tls.min_version } : null,
    addressLimit: limit
      ? { capacity: limit.capacity, refillPerSec: limit.refill_per_sec, addressesMax: limit.max_addresses }
      : null,
    trustedProxies: http.trusted_proxies,
    clientAddressHeader: http.client_address_header,
  }
}

function toNats(nats: Settings['cluster']['nats']): NatsConfig | null {
  if (!nats) return null
  const { servers, creds_file: credsFile, nkey_seed_file: nkeySeedFile, jetstream_domain: domain, tls } = nats
  return {
    servers,
    credsFile: credsFile ?? null,
    nkeySeedFile: nkeySeedFile ?? null,
    jetStreamDomain: domain ?? null,
    tls: tls
      ? { caFile: tls.ca_file ?? null, certFile: tls.cert_file ?? null, keyFile: tls.key_file ?? null }
      : null,
  }
}

/** `token_buckets` is the limit `ratings` with the defaults of a limit. */
function toLimits({ token_buckets: shares, limits = {} }: Settings): LimitConfig[] {
  const short = shares ? { ratings: limitSchema.parse({ shares }) } : {}
  return Object.entries({ ...short, ...limits }).map(([name, limit]) => ({
    name,
    mode: limit.mode,
    key: limit.key,
    cost: limit.cost,
    shares: toShares(limit.shares),
    overrides: limit.overrides.map((override) => ({
      keys: override.keys,
      shares: toShares(override.shares),
    })),
    deny: limit.deny,
    shadow: limit.shadow,
    bucketsMax: limit.max_buckets,
  }))
}

function toShares(shares: Shares): SharesConfig {
  const entries = Object.entries(shares).map(([region, { capacity, refill_per_sec: refillPerSec }]) => [
    region,
    { capacity, refillPerSec },
  ])
  return Object.fromEntries(entries)
}

function regionsOf(limits: readonly LimitConfig[]): string[] {
  const shares = limits.flatMap((limit) => [
    limit.shares,
    ...limit.overrides.map((override) => override.shares),
  ])
  return [...new Set(shares.flatMap((some) => Object.keys(some)))]
}

function toAuth(auth: Settings['auth']): EdgeConfig['auth'] {
  if (!auth) return { mode: 'off', apiKeys: [], jwt: null }
  const { mode, api_keys: keys, jwt } = auth
  return {
    mode,
    apiKeys: keys.map(({ id, subject, sha256, scopes, not_before: notBeforeMs, expires: expiresMs }) => ({
      id,
      subject,
      sha256: sha256.toLowerCase(),
      scopes,
      notBeforeMs: notBeforeMs ?? null,
      expiresMs: expiresMs ?? null,
    })),
    jwt: jwt
      ? {
          issuer: jwt.issuer,
          audience: jwt.audience,
          jwksUrl: jwt.jwks_url ?? null,
          publicKeyFile: jwt.public_key_file ?? null,
          subjectClaim: jwt.subject_claim,
          scopeClaim: jwt.scope_claim,
        }
      : null,
  }
}

function toStore(
  store: Settings['store'],
  fromEnvironment: { storeUrl: Secret | null; storeReadUrl: Secret | null },
): EdgeConfig['store'] {
  const { group_commit: group, queue, cache, bayesian } = store
  return {
    dataDir: store.data_dir,
    url: fromEnvironment.storeUrl ?? fromFile(store.url),
    readUrl: fromEnvironment.storeReadUrl ?? fromFile(store.read_url),
    poolMax: store.pool_max,
    connectTimeoutMs: store.connect_timeout,
    statementTimeoutMs: store.statement_timeout,
    groupCommit: {
      maxDelayMs: group.max_delay,
      batchMax: group.batch_max,
      inFlightMax: group.in_flight_max,
      queueMax: group.queue_max,
    },
    queue: {
      maxBytes: queue.max_bytes,
      maxMessages: queue.max_messages,
      maxAgeMs: queue.max_age,
      replicas: queue.replicas,
    },
    idempotencyTtlMs: store.idempotency_ttl,
    cache: {
      maxEntries: cache.max_entries,
      maxBytes: cache.max_bytes,
      ttlMs: cache.ttl,
      staleMs: cache.stale,
      staleIfErrorMs: cache.stale_if_error,
    },
    bayesian: { priorMean: bayesian.prior_mean, priorWeight: bayesian.prior_weight },
  }
}

function fromFile(url: string | undefined): Secret | null {
  return url === undefined ? null : new Secret(url)
}

function deepFreeze<Value>(value: Value): Value {
  if (Array.isArray(value) || isMap(value)) {
    for (const part of Object.values(value)) deepFreeze(part)
    Object.freeze(value)
  }
  return value
}

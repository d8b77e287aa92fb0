import { z } from 'zod'
import { duration, mapOf, part, plainText, section, text, wholeNumber, whenValid } from './fields.ts'
import {
  addressLimit,
  clientAddressHeader,
  httpTls,
  keyTimes,
  keyTimesInOrder,
  trustedProxies,
} from './schema-security.ts'
import { variablePattern } from './overlay.ts'
import { isHost, isKeySetUrl, isNatsUrl, parsePostgresUrl } from './hosts.ts'
import {
  checkApiKeys,
  checkCost,
  checkGroupCommit,
  checkIdempotency,
  checkHttpTimeouts,
  checkJwtKeys,
  checkLimitCount,
  checkLimits,
  checkNatsIdentity,
  checkNatsTls,
  checkOpenToOthers,
  checkOverrideKeys,
  checkPassword,
  checkRegionCount,
  checkRegions,
  checkSomebodyMayCall,
  checkSyncTimes,
} from './rules.ts'

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs

const limitName = {
  entry: 'limit',
  pattern: /^[a-z][a-z0-9_-]{0,62}$/,
  name: 'a small letter, then up to 62 small letters, digits, _ or -',
}
const regionName = {
  entry: 'region',
  pattern: /^[a-z0-9][a-z0-9-]{0,62}$/,
  name: 'a small letter or digit, then up to 62 small letters, digits or -',
}
const label = text(limitName.pattern, limitName.name)
const variableName = text(
  variablePattern,
  'the name of an environment variable: up to 128 letters, digits or _, the first no digit',
  // Somebody may put the secret itself here.
).meta({ secret: true })

const share = section({
  capacity: wholeNumber(1, 1e9).describe('Tokens that the share adds to a full bucket.'),
  refill_per_sec: z
    .number()
    .gt(0)
    .max(1e9)
    .describe('Tokens a second by which the share refills a bucket; may be a fraction.'),
}).describe('What one region adds to the limit. A region that is not listed adds nothing.')

const shares = mapOf(regionName, share)
  .superRefine(checkRegionCount, whenValid())
  .meta({ allowed: 'a map of 1 to 64 regions, each with capacity and refill_per_sec' })

const override = section({
  keys: z.array(plainText(256)).min(1).max(10_000).describe('The keys (users) that it is for.'),
  shares: shares.describe('Their shares, in place of those of the limit.'),
}).describe('Shares for some keys.')

export const limitSchema = section({
  mode: z
    .enum(['pooled', 'strict', 'local'])
    .default('pooled')
    .describe(
      '`pooled`: any region may spend the tokens of every region in contact. `strict`: never more than the limit, whatever the network does; shares move between regions with demand. `local`: each region has its own share only, and refuses all if it has none.',
    ),
  key: z.enum(['user']).default('user').describe('Whom a bucket counts.'),
  cost: wholeNumber(1, 1e9).default(1).describe('Tokens that a request takes unless it says how many.'),
  shares: shares.describe('Shares of the regions.'),
  overrides: z.array(override).max(100).default([]).describe('Shares of their own for some keys.'),
  deny: z
    .array(plainText(256))
    .max(10_000)
    .default([])
    .describe('Keys (users) that are always refused: with 403, because to wait would be no use.'),
  shadow: z
    .boolean()
    .default(false)
    .meta({ allowed: 'true or false' })
    .describe(
      '`true`: the limit decides and counts, but refuses nobody, not even whom it denies; answers and metrics say who would have been refused.',
    ),
  max_buckets: wholeNumber(1, 16_000_000)
    .default(4_000_000)
    .describe('Buckets kept in memory at most; at the bound full ones go first, then the least used.'),
})
  .superRefine(checkOverrideKeys, whenValid())
  .superRefine(checkCost, whenValid('mode', 'cost', 'shares', 'overrides'))
  .describe('One limit. The one named `ratings` guards the ratings.')

const limits = mapOf(limitName, limitSchema)
  .superRefine(checkLimitCount, whenValid())
  .meta({ allowed: 'a map of 1 to 64 named limits' })

const natsTls = section({
  ca_file: plainText(4096)
    .optional()
    .describe('A PEM file with the authorities that sign server certificates.'),
  cert_file: plainText(4096).optional().describe('A PEM file with the certificate of this node.'),
  key_file: plainText(4096).optional().describe('A PEM file with the key of that certificate.'),
})
  .superRefine(checkNatsTls, whenValid('cert_file', 'key_file'))
  .describe('TLS beyond what `tls://` in a server says: own authorities, or a certificate of this node.')

const nats = section({
  servers: z
    .array(text(isNatsUrl, 'nats://host:port or tls://host:port, without credentials'))
    .min(1)
    .max(16)
    .describe(
      'NATS servers of the node’s own region; those of the regions are joined by gateways, or by leaf nodes.',
    ),
  creds_file: plainText(4096).optional().describe('A credentials file, as `nsc` makes it.'),
  nkey_seed_file: plainText(4096)
    .optional()
    .describe('A file with the seed of an NKey. Either this or `creds_file`.'),
  jetstream_domain: text(/^[A-Za-z0-9_-]{1,64}$/, '1 to 64 letters, digits, _ or -')
    .optional()
    .describe('The domain of the JetStream to use, where it is behind a leaf node.'),
  tls: natsTls.optional(),
})
  .superRefine(checkNatsIdentity, whenValid('creds_file', 'nkey_seed_file'))
  .describe('The NATS that joins the nodes. Without it a node is alone.')

const cluster = section({
  name: label.default('openclaw').describe('Sets apart clusters that share a network.'),
  nats: nats.optional(),
  hash_key_env: variableName
    .default('OPENCLAW_HASH_KEY')
    .describe(
      'The environment variable that holds the secret by which all replicas of the cluster hash keys: 16 to 1024 hexadecimal digits. If it is named here, it must be set.',
    ),
}).describe('The replicas that belong together.')

const apiKey = section({
  id: label.describe('Names the key in logs.'),
  subject: plainText(256).describe('The user that the key stands for.'),
  sha256: text(/^[0-9a-f]{64}$/i, '64 hexadecimal digits: the SHA-256 of the key, never the key itself')
    .meta({ secret: true })
    .describe('The SHA-256 of the key.'),
  scopes: z
    .array(z.enum(['rate', 'read', 'admin']))
    .min(1)
    .max(3)
    .describe('What the key may do.'),
  ...keyTimes,
})
  .superRefine(...keyTimesInOrder)
  .meta({ secret: true, description: 'An API key.' })

const jwt = section({
  issuer: plainText(2048).describe('The `iss` that tokens must have.'),
  audience: plainText(2048).describe('The `aud` that tokens must have.'),
  jwks_url: text(isKeySetUrl, 'an https:// URL without credentials (http:// only to this machine)')
    .optional()
    .describe('Where the keys that sign tokens are published. Either this or `public_key_file`.'),
  public_key_file: plainText(4096)
    .optional()
    .describe('A PEM file with the public key that signs tokens, relative to the working directory.'),
  subject_claim: plainText(256).default('sub').describe('The claim that names the user.'),
  scope_claim: plainText(256).default('scope').describe('The claim that lists scopes.'),
})
  .superRefine(checkJwtKeys, whenValid('jwks_url', 'public_key_file'))
  .describe('JSON Web Tokens (RFC 7519) as credentials. They may change at run time.')

const auth = section({
  mode: z
    .enum(['required', 'off'])
    .default('required')
    .describe('`off`: callers say themselves who they are (`?user=`).'),
  api_keys: z
    .array(apiKey)
    .max(10_000)
    .default([])
    .meta({ secret: true })
    .describe('API keys as credentials. They may change at run time; a subject may have several.'),
  jwt: jwt.optional(),
})
  .superRefine(checkSomebodyMayCall, whenValid('mode', 'api_keys', 'jwt'))
  .superRefine(checkApiKeys, whenValid())
  .describe('Who may call. May be left out only if `http.host` is a loopback address; then it is off.')

const sync = section({
  interval: duration(10, 5 * secondMs)
    .prefault('50ms')
    .describe('How often a replica sends its news to the others.'),
  contact_timeout: duration(40, minuteMs)
    .prefault('600ms')
    .describe(
      'A replica unheard for this long is out of contact, and the share of its region out of the pool; at least 4 × `interval`.',
    ),
  snapshot_interval: duration(100, hourMs)
    .prefault('1s')
    .describe(
      'How often a replica saves a page (32,000 buckets) of what is owed in JetStream, for when it starts again while it can reach nobody.',
    ),
  quiet_part: part()
    .default(1 / 16)
    .describe(
      'Of pooled buckets of which at most half is owed, replicas keep back news: of this part of the limit, all of them together. So much more may be admitted in a burst that is shorter than news takes; 0 sends all news at once.',
    ),
})
  .superRefine(checkSyncTimes, whenValid('interval', 'contact_timeout'))
  .describe('Replication between replicas.')

const groupCommit = section({
  max_delay: duration(0, 100)
    .prefault('20ms')
    .describe(
      'How long a rating waits for others at most, while statements are under way. Less where the store is near: statements are spread over the round trip.',
    ),
  batch_max: wholeNumber(1, 5000)
    .default(2000)
    .describe('Ratings in one statement at most. Less where the store is near.'),
  in_flight_max: wholeNumber(1, 64)
    .default(8)
    .describe('Statements under way at once, pipelined over the connections.'),
  queue_max: wholeNumber(1, 1_000_000)
    .default(10_000)
    .describe('Ratings that wait at most; more are refused with 503. At least `batch_max`.'),
})
  .superRefine(checkGroupCommit, whenValid('batch_max', 'queue_max'))
  .describe('Ratings are committed in groups.')

const queue = section({
  max_bytes: wholeNumber(1_048_576, 2 ** 40)
    .default(268_435_456)
    .describe('Bytes in it at most; more ratings are refused with 503.'),
  max_messages: wholeNumber(1, 100_000_000).default(1_000_000).describe('Ratings in it at most.'),
  max_age: duration(1000, 30 * 24 * hourMs)
    .prefault('24h')
    .describe('While the oldest has waited longer, more are refused. Nothing in it is ever dropped.'),
  replicas: wholeNumber(1, 5)
    .default(1)
    .describe("Servers of the region that keep each rating; with 1 it is lost with that server's disk."),
}).describe(
  "Where ratings wait while the store is away: a JetStream stream of the region's own servers. Without `cluster.nats` they are refused.",
)

const cache = section({
  max_entries: wholeNumber(1, 10_000_000)
    .default(100_000)
    .describe('Entries of each kind at most: summaries, ratings, and first pages.'),
  max_bytes: wholeNumber(65_536, 68_719_476_736)
    .default(67_108_864)
    .describe('Memory of the entries of each kind at most, in bytes, by an estimate.'),
  ttl: duration(1, hourMs).prefault('30s').describe('How long an entry is fresh.'),
  stale: duration(0, 24 * hourMs)
    .prefault('5m')
    .describe('How long after that it may still be served while it is read anew.'),
  stale_if_error: duration(0, 24 * hourMs)
    .prefault('1h')
    .describe('How long after `ttl` it may still be served while the store does not answer.'),
}).describe('The read-through cache.')

const bayesian = section({
  prior_mean: z.number().min(1).max(5).default(3).describe('The score that a subject without ratings has.'),
  prior_weight: z.number().min(0).max(1e6).default(5).describe('How many ratings that counts for.'),
}).describe('The Bayesian mean of a subject.')

const postgresUrl = text(
  (url) => parsePostgresUrl(url) !== undefined,
  'a URL such as postgres://rating@db.internal:5432/rating',
)
  .superRefine(checkPassword)
  .optional()
  .meta({ secret: true })

const store = section({
  data_dir: plainText(4096)
    .default('./.openclaw/data')
    .describe(
      'Directory of the embedded database, used when there is no URL; relative to the working directory.',
    ),
  url: postgresUrl.describe('PostgreSQL to use, without a password. The environment variable wins over it.'),
  url_env: variableName
    .default('RATING_DB_URL')
    .describe(
      'The environment variable that holds the URL of PostgreSQL. If it is named here and there is no `url`, it must be set.',
    ),
  read_url: postgresUrl.describe(
    'A streaming replica of it to read from, such as one in the region, without a password. The environment variable wins over it.',
  ),
  read_url_env: variableName
    .default('RATING_DB_READ_URL')
    .describe(
      'The environment variable that holds the URL of the replica. If it is named here and there is no `read_url`, it must be set.',
    ),
  pool_max: wholeNumber(1, 1000).default(4).describe('Connections at most, to each of the two.'),
  connect_timeout: duration(100, minuteMs).prefault('5s').describe('Time to connect.'),
  statement_timeout: duration(100, 10 * minuteMs)
    .prefault('5s')
    .describe('Time for a statement.'),
  group_commit: groupCommit.prefault({}),
  queue: queue.prefault({}),
  idempotency_ttl: duration(1000, 60 * 24 * hourMs)
    .prefault('48h')
    .describe(
      'How long the store remembers each Idempotency-Key, and each deletion for the sake of ratings that still wait; at least `queue.max_age`.',
    ),
  cache: cache.prefault({}),
  bayesian: bayesian.prefault({}),
})
  .superRefine(checkIdempotency, whenValid('queue', 'idempotency_ttl'))
  .describe('Where ratings are kept.')

const http = section({
  host: text(isHost, 'an IP address or a host name').default('127.0.0.1').describe('Address to listen on.'),
  port: wholeNumber(0, 65_535).default(8080).describe('Port to listen on; 0 is any free one.'),
  max_body_bytes: wholeNumber(1024, 1_048_576)
    .default(65_536)
    .describe('Larger request bodies are refused with 413.'),
  request_timeout: duration(100, 10 * minuteMs)
    .prefault('15s')
    .describe('Time for a whole request to arrive.'),
  headers_timeout: duration(100, 10 * minuteMs)
    .prefault('10s')
    .describe('Time for the headers of a request to arrive; at most `request_timeout`.'),
  keep_alive_timeout: duration(100, 10 * minuteMs)
    .prefault('5s')
    .describe('How long an idle connection is kept.'),
  shutdown_timeout: duration(0, 10 * minuteMs)
    .prefault('10s')
    .describe('How long a stopping server waits for requests under way.'),
  max_connections: wholeNumber(1, 1_000_000).default(10_000).describe('Connections at most.'),
  tls: httpTls.optional(),
  address_limit: addressLimit.optional(),
  trusted_proxies: trustedProxies,
  client_address_header: clientAddressHeader,
})
  .superRefine(checkHttpTimeouts, whenValid('request_timeout', 'headers_timeout'))
  .describe('The HTTP server.')

const log = section({
  level: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('The least severe level that is logged.'),
  audit_file: plainText(4096)
    .optional()
    .describe(
      'Where a JSON line for each action that changes limits or buckets by hand is appended. Without it they stand in the log, whatever its level.',
    ),
}).describe('The log.')

/**
 * The configuration file: its keys, types, ranges, defaults and meanings, and the rules between them. The error messages
 * and `docs/configuration.md` are derived from it.
 */
export const settingsSchema = section({
  token_buckets: shares
    .optional()
    .describe(
      'Short for the shares of a pooled limit `ratings`, one bucket a user. Either this or `limits.ratings`.',
    ),
  limits: limits.optional().describe('Limits by name.'),
  cluster: cluster.prefault({}),
  auth: auth.optional(),
  sync: sync.prefault({}),
  store: store.prefault({}),
  http: http.prefault({}),
  log: log.prefault({}),
})
  .superRefine(checkLimits, whenValid())
  .superRefine(checkRegions, whenValid('token_buckets', 'limits'))
  .superRefine(checkOpenToOthers, whenValid('http.host'))

/** A valid file, with its defaults filled in and its durations in milliseconds. */
export type Settings = z.output<typeof settingsSchema>

import type { z } from 'zod'
import { formatDuration } from './duration.ts'
import { breaks } from './fields.ts'
import { isMap } from './raw.ts'
import { isLoopback, parsePostgresUrl } from './hosts.ts'

/** Rules between fields: a rule sees fields that are valid by themselves, unless its parameter says `unknown`. */

type Context = z.core.ParsePayload
type Shares = Readonly<Record<string, { readonly capacity: number }>>

const regionsMax = 64
const limitsMax = 64
const overrideKeysMax = 10_000
const contactIntervalsMin = 4

export function checkRegionCount(shares: object, ctx: Context): void {
  const count = Object.keys(shares).length
  if (count < 1 || count > regionsMax)
    breaks(ctx, [], notAllowed(`a map of ${count}`, `1 to ${regionsMax} regions`))
}

export function checkLimitCount(limits: object, ctx: Context): void {
  const count = Object.keys(limits).length
  if (count < 1 || count > limitsMax)
    breaks(ctx, [], notAllowed(`a map of ${count}`, `1 to ${limitsMax} limits`))
}

export function checkOverrideKeys(limit: { readonly overrides?: unknown }, ctx: Context): void {
  const seen = new Map<unknown, number>()
  let count = 0
  for (const [at, override] of listOf(limit.overrides).entries()) {
    const keys = listOf(isMap(override) ? override['keys'] : undefined)
    count += keys.length
    for (const [keyAt, key] of keys.entries()) {
      const before = seen.get(key)
      if (before === undefined) seen.set(key, at)
      else if (typeof key === 'string') {
        const path = ['overrides', at, 'keys', keyAt]
        breaks(ctx, path, `this key is in overrides[${before}] already; allowed: one override a key`)
      }
    }
  }
  if (count > overrideKeysMax)
    breaks(
      ctx,
      ['overrides'],
      notAllowed(`a list with ${count} keys`, `up to ${overrideKeysMax} in all overrides`),
    )
}

interface Costly {
  readonly mode: 'pooled' | 'strict' | 'local'
  readonly cost: number
  readonly shares: Shares
  readonly overrides: readonly { readonly shares: Shares }[]
}

/** A cost that some bucket could never pay would refuse its every request. */
export function checkCost({ mode, cost, shares, overrides }: Costly, ctx: Context): void {
  const capacities = [shares, ...overrides.map((override) => override.shares)].map((some) => {
    const each = Object.values(some).map(({ capacity }) => capacity)
    return mode === 'local' ? Math.min(...each) : each.reduce((sum, capacity) => sum + capacity, 0)
  })
  const max = Math.min(...capacities)
  if (cost > max)
    breaks(
      ctx,
      ['cost'],
      notAllowed(cost, `a whole number from 1 to ${max}, the least that a full bucket holds`),
    )
}

export function checkLimits(
  settings: { readonly token_buckets?: unknown; readonly limits?: unknown },
  ctx: Context,
): void {
  const { token_buckets: short, limits } = settings
  if (short === undefined && limits === undefined)
    breaks(
      ctx,
      [],
      'no limit is defined; required: token_buckets (a share for each region) or limits (limits by name)',
    )
  if (short !== undefined && isMap(limits) && Object.hasOwn(limits, 'ratings'))
    breaks(
      ctx,
      ['limits', 'ratings'],
      'token_buckets defines the limit ratings already; allowed: one of the two',
    )
}

export function checkRegions(
  settings: {
    readonly token_buckets?: Shares | undefined
    readonly limits?: Readonly<Record<string, Omit<Costly, 'mode' | 'cost'>>> | undefined
  },
  ctx: Context,
): void {
  const all = Object.values(settings.limits ?? {}).flatMap(({ shares, overrides }) => [
    shares,
    ...overrides.map((override) => override.shares),
  ])
  const regions = new Set([settings.token_buckets ?? {}, ...all].flatMap((shares) => Object.keys(shares)))
  if (regions.size > regionsMax)
    breaks(ctx, ['limits'], notAllowed(`a cluster of ${regions.size} regions`, `up to ${regionsMax}`))
}

export function checkOpenToOthers(
  settings: { readonly http: { readonly host: string }; readonly auth?: unknown },
  ctx: Context,
): void {
  const { host } = settings.http
  if (settings.auth !== undefined || isLoopback(host)) return
  const what =
    'without an auth section, only a loopback address such as 127.0.0.1 is allowed. Other machines reach this one: ' +
    'add auth with api_keys or jwt, or auth: { mode: off } if callers are checked in front of it'
  breaks(ctx, ['http', 'host'], what)
}

export function checkSomebodyMayCall(
  auth: { readonly mode: 'required' | 'off'; readonly api_keys: readonly unknown[]; readonly jwt?: unknown },
  ctx: Context,
): void {
  if (auth.mode === 'required' && auth.api_keys.length === 0 && auth.jwt === undefined)
    breaks(ctx, [], 'nobody could call; required: api_keys or jwt, or mode: off')
}

export function checkApiKeys(auth: { readonly api_keys?: unknown }, ctx: Context): void {
  for (const field of ['id', 'sha256']) {
    const seen = new Map<string, number>()
    for (const [at, key] of listOf(auth.api_keys).entries()) {
      const value = isMap(key) ? key[field] : undefined
      if (typeof value !== 'string') continue
      const before = seen.get(value.toLowerCase())
      if (before === undefined) seen.set(value.toLowerCase(), at)
      else
        breaks(
          ctx,
          ['api_keys', at, field],
          `api_keys[${before}] has this ${field} already; allowed: one key each`,
        )
    }
  }
}

export function checkKeyTimes(
  key: { readonly not_before?: number | undefined; readonly expires?: number | undefined },
  ctx: Context,
): void {
  const { not_before: from, expires: to } = key
  if (from !== undefined && to !== undefined && to <= from)
    breaks(ctx, ['expires'], 'the key would never be valid; allowed: a time after not_before')
}

export function checkJwtKeys(
  jwt: { readonly jwks_url?: string | undefined; readonly public_key_file?: string | undefined },
  ctx: Context,
): void {
  if ((jwt.jwks_url === undefined) === (jwt.public_key_file === undefined))
    breaks(ctx, [], 'required: either jwks_url or public_key_file')
}

export function checkSyncTimes(
  sync: { readonly interval: number; readonly contact_timeout: number },
  ctx: Context,
): void {
  const minMs = contactIntervalsMin * sync.interval
  if (sync.contact_timeout >= minMs) return
  const allowed = `${formatDuration(minMs)} (${contactIntervalsMin} × sync.interval) or more`
  breaks(ctx, ['contact_timeout'], notAllowed(formatDuration(sync.contact_timeout), allowed))
}

export function checkNatsIdentity(
  nats: { readonly creds_file?: string | undefined; readonly nkey_seed_file?: string | undefined },
  ctx: Context,
): void {
  if (nats.creds_file === undefined || nats.nkey_seed_file === undefined) return
  breaks(ctx, ['nkey_seed_file'], 'allowed: either this or creds_file, not both')
}

export function checkNatsTls(
  tls: { readonly cert_file?: string | undefined; readonly key_file?: string | undefined },
  ctx: Context,
): void {
  if ((tls.cert_file === undefined) === (tls.key_file === undefined)) return
  const [there, missing] = tls.cert_file === undefined ? ['key_file', 'cert_file'] : ['cert_file', 'key_file']
  breaks(ctx, [there], `allowed: together with ${missing}`)
}

export function checkPassword(url: string, ctx: Context): void {
  const parsed = parsePostgresUrl(url)
  if (parsed && (parsed.password !== '' || parsed.searchParams.has('password')))
    breaks(
      ctx,
      [],
      'a password is not allowed in this file; put the whole URL into the variable of store.url_env',
    )
}

export function checkGroupCommit(
  group: { readonly batch_max: number; readonly queue_max: number },
  ctx: Context,
): void {
  if (group.batch_max > group.queue_max)
    breaks(ctx, ['queue_max'], notAllowed(group.queue_max, `${group.batch_max} (batch_max) or more`))
}

export function checkIdempotency(
  store: { readonly idempotency_ttl: number; readonly queue: { readonly max_age: number } },
  ctx: Context,
): void {
  const { idempotency_ttl: ttlMs, queue } = store
  if (ttlMs >= queue.max_age) return
  const allowed = `${formatDuration(queue.max_age)} (queue.max_age) or more`
  breaks(ctx, ['idempotency_ttl'], notAllowed(formatDuration(ttlMs), allowed))
}

export function checkHttpTimeouts(
  http: { readonly request_timeout: number; readonly headers_timeout: number },
  ctx: Context,
): void {
  const { headers_timeout: headersMs, request_timeout: requestMs } = http
  if (headersMs > requestMs)
    breaks(
      ctx,
      ['headers_timeout'],
      notAllowed(formatDuration(headersMs), `up to ${formatDuration(requestMs)} (request_timeout)`),
    )
}

function notAllowed(value: unknown, allowed: string): string {
  return `${String(value)} is not allowed; allowed: ${allowed}`
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

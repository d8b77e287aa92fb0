import { isDeepStrictEqual } from 'node:util'
import { compareConfigs } from '../config/changes.ts'
import type { EdgeConfig, LimitConfig, SharesConfig } from '../config/edge-config.ts'

/** What a change of one limit means. */
export interface LimitDifference {
  readonly limit: string
  readonly change: 'added' | 'changed' | 'removed'
  /** What differs, and what becomes of the buckets that live; a line each. */
  readonly effects: readonly string[]
}

export interface ConfigDifference {
  readonly limits: readonly LimitDifference[]
  /** Fields of credentials that come, change or go: of API keys by their ids. */
  readonly credentials: readonly string[]
  readonly logLevel: readonly [before: string, after: string] | null
  /** Fields that take effect with new processes only: by a deploy, which replaces them one after the other. */
  readonly needRestart: readonly string[]
}

/** What a new configuration would change where the other one runs. */
export function diffConfigs(before: EdgeConfig, after: EdgeConfig): ConfigDifference {
  const { changes, needRestart } = compareConfigs(before, after)
  const [old, next] = [byName(before.limits), byName(after.limits)]
  const limits: LimitDifference[] = [
    ...(changes?.limitsAdded ?? []).map((limit): LimitDifference => ({
      limit,
      change: 'added',
      effects: ['every bucket begins full'],
    })),
    ...(changes?.limitsChanged ?? []).map((limit): LimitDifference => ({
      limit,
      change: 'changed',
      effects: effectsOf(old.get(limit)!, next.get(limit)!),
    })),
    ...(changes?.limitsRemoved ?? []).map((limit): LimitDifference => ({
      limit,
      change: 'removed',
      effects: ['its buckets are dropped; requests for it are answered with 404'],
    })),
  ]
  return {
    limits,
    credentials: [
      ...(changes?.apiKeysChanged ?? []).map((id) => `auth.api_keys ${id}`),
      ...(changes?.jwtChanged ? ['auth.jwt'] : []),
    ],
    logLevel: before.log.level === after.log.level ? null : [before.log.level, after.log.level],
    needRestart,
  }
}

function byName(limits: readonly LimitConfig[]): Map<string, LimitConfig> {
  return new Map(limits.map((limit) => [limit.name, limit]))
}

function effectsOf(before: LimitConfig, after: LimitConfig): string[] {
  const effects: string[] = []
  if (before.mode !== after.mode)
    effects.push(`mode ${before.mode} → ${after.mode}: its buckets are dropped, and begin anew`)
  if (before.bucketsMax !== after.bucketsMax)
    effects.push(
      `max_buckets ${before.bucketsMax} → ${after.bucketsMax}: its buckets are dropped, and begin anew`,
    )
  if (before.cost !== after.cost)
    effects.push(`cost ${before.cost} → ${after.cost} for requests from then on`)
  const shares = shareEffects(before.shares, after.shares)
  if (shares.length > 0) effects.push(...shares, debtEffect(before.shares, after.shares))
  if (!isDeepStrictEqual(before.overrides, after.overrides))
    effects.push('overrides change: a key that gets or loses one begins with a full bucket')
  return effects
}

function shareEffects(before: SharesConfig, after: SharesConfig): string[] {
  const regions = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  return regions.flatMap((region) => {
    const [was, is] = [before[region], after[region]]
    if (isDeepStrictEqual(was, is)) return []
    return [`${region}: ${showShare(was)} → ${showShare(is)}`]
  })
}

/** What a bucket owes stays; what of it is available follows from the new capacity. */
function debtEffect(before: SharesConfig, after: SharesConfig): string {
  const [was, is] = [capacityOf(before), capacityOf(after)]
  const whole = `a full bucket: ${was} → ${is} tokens; what live buckets owe stays`
  if (is >= was) return `${whole}, so each has ${is - was} more at once`
  return `${whole}, so each has ${was - is} less at once, and one that owes more than ${is} refuses until it has refilled`
}

function showShare(share: SharesConfig[string] | undefined): string {
  return share ? `${share.capacity} tokens, ${share.refillPerSec}/s` : 'no share'
}

function capacityOf(shares: SharesConfig): number {
  return Object.values(shares).reduce((sum, { capacity }) => sum + capacity, 0)
}

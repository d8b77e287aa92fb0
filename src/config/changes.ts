import { isDeepStrictEqual } from 'node:util'
import type { EdgeConfig } from './edge-config.ts'
import { isMap } from './raw.ts'
import { Secret } from './secret.ts'

/** What a reload puts in force. */
export interface ConfigChanges {
  /** Names of limits. */
  readonly limitsAdded: readonly string[]
  readonly limitsChanged: readonly string[]
  readonly limitsRemoved: readonly string[]
  /** Ids of API keys. */
  readonly apiKeysChanged: readonly string[]
  readonly jwtChanged: boolean
  readonly logLevelChanged: boolean
}

/** How two configurations differ. */
export interface Comparison {
  /** Null if nothing that can be reloaded differs. */
  readonly changes: ConfigChanges | null
  /** Fields that differ but take effect at a start only, by their paths in the file, such as `http.port`. */
  readonly needRestart: readonly string[]
}

export function compareConfigs(before: EdgeConfig, after: EdgeConfig): Comparison {
  const old = new Map(before.limits.map((limit) => [limit.name, limit]))
  const names = new Set(after.limits.map((limit) => limit.name))
  const changes = {
    limitsAdded: [...names].filter((name) => !old.has(name)),
    limitsChanged: after.limits
      .filter((limit) => old.has(limit.name) && !isDeepStrictEqual(old.get(limit.name), limit))
      .map((limit) => limit.name),
    limitsRemoved: [...old.keys()].filter((name) => !names.has(name)),
    apiKeysChanged: changedKeys(before.auth.apiKeys, after.auth.apiKeys),
    jwtChanged: !isDeepStrictEqual(before.auth.jwt, after.auth.jwt),
    logLevelChanged: before.log.level !== after.log.level,
  }
  const isChange = Object.values(changes).some((change) =>
    Array.isArray(change) ? change.length > 0 : change,
  )
  return { changes: isChange ? changes : null, needRestart: differing(fixed(before), fixed(after)) }
}

/** Of keys that came, went or differ. */
function changedKeys(before: EdgeConfig['auth']['apiKeys'], after: EdgeConfig['auth']['apiKeys']): string[] {
  const [old, now] = [before, after].map((keys) => new Map(keys.map((key) => [key.id, key])))
  const ids = new Set([...before, ...after].map(({ id }) => id))
  return [...ids].filter((id) => !isDeepStrictEqual(old!.get(id), now!.get(id)))
}

function fixed({ cluster, auth, sync, store, http, log }: EdgeConfig): Record<string, unknown> {
  return { cluster, auth: { mode: auth.mode }, sync, store, http, log: { auditFile: log.auditFile } }
}

/** Paths in the file of the fields that differ; lists are compared as a whole. */
function differing(before: unknown, after: unknown, path = ''): string[] {
  if (before instanceof Secret && after instanceof Secret)
    return before.reveal() === after.reveal() ? [] : [path]
  if (!isPlain(before) || !isPlain(after)) return isDeepStrictEqual(before, after) ? [] : [path]
  return Object.keys(before).flatMap((key) => {
    const field = fieldName(key)
    return differing(before[key], after[key], path === '' ? field : `${path}.${field}`)
  })
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return isMap(value) && !(value instanceof Secret)
}

/** A field's name in the file: `hashKey` is read from the variable of `hash_key_env`, and durations have no unit in their name. */
function fieldName(key: string): string {
  if (key === 'hashKey') return 'hash_key_env'
  return key.replace(/Ms$/, '').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

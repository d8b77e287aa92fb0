import type { Explanation } from './explain.ts'
import { parsePostgresUrl } from './hosts.ts'
import { originOf, variable, variablePattern, type Environment } from './overlay.ts'
import { redacted } from './problem.ts'
import { valueAt, type Path, type RawMap } from './raw.ts'
import { nodeAt } from './schema-node.ts'
import { Secret } from './secret.ts'

export interface Secrets {
  readonly hashKey: Secret | null
  /** The URL of the store as the environment gives it. */
  readonly storeUrl: Secret | null
  /** The URL of its replica for reads, likewise. */
  readonly storeReadUrl: Secret | null
  readonly problems: readonly Explanation[]
}

interface Wanted {
  readonly path: Path
  readonly allowed: string
  readonly isAllowed: (value: string) => boolean
  /** Whether it may stay unset although the file names its variable. */
  readonly isOptional: boolean
}

/** What the configuration keeps in environment variables, whose names are fields of it. */
export function readSecrets(raw: RawMap, env: Environment): Secrets {
  const problems: Explanation[] = []
  const read = (wanted: Wanted): string | undefined => {
    const result = readSecret(raw, env, wanted)
    if (typeof result === 'object') problems.push(result)
    return typeof result === 'string' ? result : undefined
  }
  const hashKey = read({
    path: ['cluster', 'hash_key_env'],
    allowed: '16 to 1024 hexadecimal digits, such as `openssl rand -hex 32` makes',
    isAllowed: (value) => /^[0-9a-f]{16,1024}$/i.test(value),
    isOptional: false,
  })
  const readUrl = (name: 'url' | 'read_url'): Secret | null => {
    const url = read({
      path: ['store', `${name}_env`],
      allowed: 'a URL such as postgres://user:password@host:5432/database',
      isAllowed: (value) => parsePostgresUrl(value) !== undefined,
      isOptional: valueAt(raw, ['store', name]) !== undefined,
    })
    return url === undefined ? null : new Secret(url)
  }
  const [storeUrl, storeReadUrl] = [readUrl('url'), readUrl('read_url')]
  const readPath = ['store', storeReadUrl ? 'read_url_env' : 'read_url']
  if (
    (storeReadUrl ?? valueAt(raw, readPath)) !== undefined &&
    !storeUrl &&
    valueAt(raw, ['store', 'url']) === undefined
  ) {
    const message =
      'a replica needs its primary; required: store.url, or the variable that store.url_env names'
    problems.push({ path: readPath, about: 'value', value: redacted, message, certain: false })
  }
  return {
    hashKey: hashKey === undefined ? null : new Secret(hashKey.toLowerCase()),
    storeUrl,
    storeReadUrl,
    problems,
  }
}

function readSecret(raw: RawMap, env: Environment, wanted: Wanted): string | Explanation | undefined {
  const { path, allowed } = wanted
  const named = valueAt(raw, path)
  const name = named ?? nodeAt(path)?.default
  // A bad name is reported as a field.
  if (typeof name !== 'string' || named === null || !variablePattern.test(name)) return undefined
  if (wanted.isAllowed(name)) {
    const message = `${redacted} is not allowed; allowed: the name of the environment variable that holds it`
    return { path, about: 'value', value: redacted, message, certain: true }
  }
  const value = variable(env, name)
  if (value === undefined) {
    if (named === undefined || wanted.isOptional) return undefined
    const message = `the environment variable ${name} is not set; required: ${allowed}`
    return { path, about: 'value', value: name, message, certain: true }
  }
  if (wanted.isAllowed(value)) return value
  const message = `${redacted} is not allowed; allowed: ${allowed}`
  return { path, about: 'value', value: redacted, message, certain: true, origin: originOf(name) }
}

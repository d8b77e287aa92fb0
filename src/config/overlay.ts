import { isMap, type Path, type RawMap } from './raw.ts'

/** Environment variables by name, such as `process.env`; an empty one counts as not set. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Values by the path of their field, such as `{ 'http.port': 0 }`; undefined ones are left out. They win over all others. */
export type ConfigOverrides = Readonly<Record<string, string | number | undefined>>

/** What the name of an environment variable is. */
export const variablePattern = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/

/** Variables that are fields. */
export const variables = [
  { name: 'OPENCLAW_HTTP_HOST', path: 'http.host' },
  { name: 'OPENCLAW_HTTP_PORT', path: 'http.port' },
  { name: 'OPENCLAW_LOG_LEVEL', path: 'log.level' },
] as const

export interface Overlay {
  readonly raw: RawMap
  /** What each field that doesn't come from the file comes from, by dotted path. */
  readonly origins: ReadonlyMap<string, string>
  /** What stood in the file where a map has to. */
  readonly displaced: readonly { readonly path: Path; readonly value: unknown }[]
}

/** A file's values under those of the environment and of the caller. */
export function overlay(file: RawMap, env: Environment, overrides: ConfigOverrides): Overlay {
  const raw = { ...file }
  const origins = new Map<string, string>()
  const displaced: { path: Path; value: unknown }[] = []
  const set = (path: string, value: unknown, origin: string): void => {
    const [section = '', key = ''] = path.split('.')
    const before = Object.hasOwn(raw, section) ? raw[section] : {}
    if (!isMap(before)) displaced.push({ path: [section], value: before })
    raw[section] = { ...(isMap(before) ? before : {}), [key]: value }
    origins.set(path, origin)
  }
  for (const { name, path } of variables) {
    const value = variable(env, name)
    if (value !== undefined) set(path, numeric(value), originOf(name))
  }
  for (const [path, value] of Object.entries(overrides)) {
    if (value !== undefined) set(path, value, 'option')
  }
  return { raw, origins, displaced }
}

/** The value of an environment variable that is set and not empty. */
export function variable(env: Environment, name: string): string | undefined {
  return Object.hasOwn(env, name) && env[name] !== '' ? env[name] : undefined
}

/** Names an environment variable as the place of a problem. */
export function originOf(name: string): string {
  return `environment variable ${name}`
}

/** A variable is always a text; one that reads as a whole number is meant as one. */
function numeric(value: string): string | number {
  return /^-?\d{1,15}$/.test(value) ? Number(value) : value
}

/** A configuration before it is validated: maps, lists and scalars. */
export type RawMap = Record<string, unknown>

export type Path = readonly PropertyKey[]

export function isMap(value: unknown): value is RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value at a path; undefined if there is none. */
export function valueAt(raw: unknown, path: Path): unknown {
  let value: unknown = raw
  for (const key of path) {
    if (Array.isArray(value)) value = value[Number(key)]
    else if (isMap(value) && Object.hasOwn(value, key)) value = value[String(key)]
    else return undefined
  }
  return value
}

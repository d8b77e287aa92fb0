import { parseDocument } from 'yaml'

/** What a target decides for an edge, by the path of the field in the file. */
export type EdgeFields = readonly (readonly [path: readonly string[], value: unknown])[]

/** The project's configuration with a target's fields in it, and all else as it was written. It has to be valid YAML. */
export function edgeYaml(text: string, fields: EdgeFields): string {
  const document = parseDocument(text)
  for (const [path, value] of fields) document.setIn(path, value)
  return document.toString()
}

/** Whether edges of a configuration speak TLS, as far as can be said without judging it. */
export function speaksTls(text: string): boolean {
  return parseDocument(text).getIn(['http', 'tls']) !== undefined
}

/** Whether a configuration has a section of that name at its top. */
export function hasSection(text: string, name: string): boolean {
  return parseDocument(text).has(name)
}

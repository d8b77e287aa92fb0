import type { LimitConfig } from './edge-config.ts'
import { parseConfig } from './load.ts'
import type { ConfigProblem } from './problem.ts'
import { isMap, type RawMap } from './raw.ts'
import { readConfigText } from './read-text.ts'
import { YamlSource } from './yaml-source.ts'

/** The fields of a configuration that say which limits there are. */
export const limitsFields = ['token_buckets', 'limits'] as const

export type LimitsResult =
  | {
      readonly ok: true
      readonly limits: readonly LimitConfig[]
      readonly regions: readonly string[]
      /** Those fields, as they stand in the text. */
      readonly document: RawMap
    }
  | { readonly ok: false; readonly errors: readonly ConfigProblem[] }

/** Reads the limits of a configuration in YAML (or JSON, which is YAML); what else stands in it is not looked at. */
export function parseLimits(text: string, file: string): LimitsResult {
  const result = parseConfig(text, { file, env: {}, only: limitsFields })
  if (!result.ok) return result
  const raw = new YamlSource(text).raw
  const document = Object.fromEntries(
    Object.entries(isMap(raw) ? raw : {}).filter(([field]) => limitsFields.some((name) => name === field)),
  )
  return { ok: true, limits: result.config.limits, regions: result.config.regions, document }
}

/** As `parseLimits`, of a file. */
export async function loadLimitsFile(path: string): Promise<LimitsResult> {
  const read = await readConfigText(path)
  return read.ok ? parseLimits(read.text, path) : read
}

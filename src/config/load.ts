import { toEdgeConfig, type EdgeConfig } from './edge-config.ts'
import { explain, unfit, type Explanation } from './explain.ts'
import { overlay, type ConfigOverrides, type Environment } from './overlay.ts'
import { inOrder, show, showPath, type ConfigProblem } from './problem.ts'
import { isMap, type RawMap } from './raw.ts'
import { readConfigText, sizeProblem } from './read-text.ts'
import { settingsSchema } from './schema.ts'
import { readSecrets } from './secrets.ts'
import { YamlSource } from './yaml-source.ts'

export interface ConfigSource {
  /** Names the file in problems. */
  readonly file: string
  readonly env: Environment
  readonly overrides?: ConfigOverrides
  /** Only these fields of the text are looked at; without it all are. */
  readonly only?: readonly string[]
}

export type ConfigResult =
  | { readonly ok: true; readonly config: EdgeConfig }
  | { readonly ok: false; readonly errors: readonly ConfigProblem[] }

/**
 * Reads a configuration in YAML. Overrides win over the environment, and that over the text. Answers all that is wrong at
 * once, in the order of the text; it never throws. Behind a place that is no valid YAML nothing else is judged.
 */
export function parseConfig(text: string, { file, env, overrides = {}, only }: ConfigSource): ConfigResult {
  const tooLarge = sizeProblem(file, Buffer.byteLength(text))
  if (tooLarge) return { ok: false, errors: [tooLarge] }
  const source = new YamlSource(text)
  const problems = source.problems.map(({ position, path, message }): ConfigProblem => ({
    file,
    ...position,
    path: showPath(path),
    value: null,
    message,
  }))
  const all = source.raw ?? {}
  const raw = only && isMap(all) ? pick(all, only) : all
  const layers = isMap(raw) ? overlay(raw, env, overrides) : undefined
  const judged = layers ? judge(layers.raw, env) : { explanations: [unfit([], show(raw))] }
  const displaced = (layers?.displaced ?? []).map(({ path, value }) => unfit(path, show(value)))
  const brokenAt = source.problems.reduce(
    (line, { breaking, position }) => (breaking ? Math.min(line, position.line) : line),
    Infinity,
  )
  for (const explanation of [...displaced, ...judged.explanations]) {
    const origin = explanation.origin ?? layers?.origins.get(explanation.path.join('.'))
    const problem = toProblem(explanation, origin === undefined ? { source, file } : { file: origin })
    const isJudged = brokenAt === Infinity || problem.line === null
    if (isJudged || (explanation.certain && problem.line < brokenAt)) problems.push(problem)
  }
  if (problems.length === 0 && judged.config) return { ok: true, config: judged.config }
  return { ok: false, errors: inOrder(problems) }
}

/** Reads a file as `parseConfig` reads a text. A file that is missing or can't be read is a problem like any other. */
export async function loadConfigFile(
  path: string,
  env: Environment,
  overrides: ConfigOverrides = {},
): Promise<ConfigResult> {
  const read = await readConfigText(path)
  return read.ok ? parseConfig(read.text, { file: path, env, overrides }) : read
}

function pick(raw: RawMap, fields: readonly string[]): RawMap {
  return Object.fromEntries(Object.entries(raw).filter(([field]) => fields.includes(field)))
}

interface Judgement {
  readonly explanations: readonly Explanation[]
  readonly config?: EdgeConfig
}

function judge(raw: RawMap, env: Environment): Judgement {
  const secrets = readSecrets(raw, env)
  const parsed = settingsSchema.safeParse(raw)
  const explanations = [
    ...(parsed.error?.issues.flatMap((issue) => explain(issue, raw)) ?? []),
    ...secrets.problems,
  ]
  return parsed.success ? { explanations, config: toEdgeConfig(parsed.data, secrets) } : { explanations }
}

function toProblem(
  { path, about, value, message }: Explanation,
  place: { readonly file: string; readonly source?: YamlSource },
): ConfigProblem {
  const position = place.source?.locate(path, about) ?? { line: null, column: null }
  return { file: place.file, ...position, path: showPath(path), value, message }
}

import type { EdgeConfig } from '../config/edge-config.ts'
import { parseConfig, type ConfigSource } from '../config/load.ts'
import { formatProblems } from '../config/problem.ts'

/** A configuration with problems; the message lists all of them, a line each. */
export class InvalidConfigError extends Error {
  override readonly name = 'InvalidConfigError'
}

/** @throws {InvalidConfigError} */
export function readConfig(text: string, source: ConfigSource): EdgeConfig {
  const result = parseConfig(text, source)
  if (result.ok) return result.config
  throw new InvalidConfigError(formatProblems(result.errors))
}

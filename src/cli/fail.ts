/** What an exit code says; a shell's own are above 125. */
export const exitCodes = {
  failed: 1,
  /** Options, a configuration or a project file are not valid. */
  wrongInput: 2,
  /** There is no project, no edge or no release to do that with. */
  nothingThere: 3,
  /** A release did not become healthy, and what ran before runs again. */
  rolledBack: 4,
} as const

const codeByError: Readonly<Record<string, number>> = {
  ConfigError: exitCodes.wrongInput,
  InvalidConfigError: exitCodes.wrongInput,
  EnvironmentError: exitCodes.wrongInput,
  ProjectError: exitCodes.wrongInput,
  TemplateError: exitCodes.wrongInput,
  UsageError: exitCodes.wrongInput,
  OptionsError: exitCodes.wrongInput,
  RulesFileError: exitCodes.wrongInput,
  TracingSettingsError: exitCodes.wrongInput,
  NoPrometheusError: exitCodes.nothingThere,
  NotDeployableError: exitCodes.nothingThere,
  NoProjectError: exitCodes.nothingThere,
  ReleaseError: exitCodes.nothingThere,
  RolloutError: exitCodes.rolledBack,
}

/** Options that are not valid together, or here. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Ends the process with an error's message, for a person or for a program, and the exit code of its kind. */
export function failBy(error: unknown, { json = false }: { json?: boolean }): never {
  const exitCode = (error instanceof Error ? codeByError[error.name] : undefined) ?? exitCodes.failed
  const kind = error instanceof Error ? error.name : 'Error'
  return fail(json ? JSON.stringify({ error: explain(error), kind, exitCode }) : explain(error), exitCode)
}

/** Ends the process with a message for a person. */
export function fail(message: string, exitCode: number = exitCodes.failed): never {
  process.stderr.write(`${message}\n`)
  process.exit(exitCode)
}

/** An error's message, and its causes'. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Errors of ours that have a cause tell it in their own words.
  if (error.cause === undefined || Object.hasOwn(codeByError, error.name)) return error.message
  return `${error.message}: ${explain(error.cause)}`
}

/** The limits as all regions agreed on them. */
export interface LimitsVersion {
  readonly version: number
  /** `token_buckets` and `limits`, as in the configuration file. */
  readonly document: unknown
  /** The first digits of the document's SHA-256. */
  readonly digest: string
  /** Whose request it was, what it was made of, and when (ISO 8601). */
  readonly by: string
  readonly note: string
  readonly at: string
}

/** What came of a change; `version` is undefined after a dry run, `before` if there was none. */
export interface LimitsOutcome {
  readonly before: LimitsVersion | undefined
  readonly version: LimitsVersion | undefined
  /** Replicas in which it is in force, and those that agreed and have not said so yet. */
  readonly applied: readonly string[]
  readonly pending: readonly string[]
}

/** Changes the limits in all regions or in none. */
export interface LimitsVersions {
  /** Undefined while the limits are those of the file. */
  current(): LimitsVersion | undefined
  /** @throws {ProblemError} `invalid`, `not-agreed` or `limits-unreachable`; then nothing is changed. */
  apply(change: { document: unknown; by: string; dryRun: boolean }): Promise<LimitsOutcome>
  /** Puts an earlier version in force again, as a new one: the one before unless said. @throws as `apply`, and `not-found`. */
  rollback(change: { to: number | undefined; by: string }): Promise<LimitsOutcome>
  /** Oldest first. @throws {ProblemError} `limits-unreachable` */
  history(): Promise<LimitsVersion[]>
}

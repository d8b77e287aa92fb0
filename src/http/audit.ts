/** An attempt to change buckets or limits by hand, and what came of it. */
export interface AuditEntry {
  /** Such as `bucket.reset`. */
  readonly action: string
  /** The subject of the credentials; null where nobody was known. */
  readonly who: string | null
  /** The id of the API key, or `jwt`; null where there was none. */
  readonly credential: string | null
  /** The address that it came from, as far as it is known. */
  readonly from: string
  readonly requestId: string
  /** `done`, or the code of the problem that was answered. */
  readonly outcome: string
  /** What it was about, and how it stood before and after. */
  readonly details: Readonly<Record<string, unknown>>
}

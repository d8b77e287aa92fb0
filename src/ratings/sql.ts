/** What a statement may be given. */
export type SqlParameter = string | number | null | readonly (string | number | null)[]

/** Runs statements, on a connection of a pool or in a transaction. */
export interface SqlSession {
  /** One statement with parameters `$1`, `$2` …; arrays are arrays of PostgreSQL. */
  query<Row>(text: string, parameters: readonly SqlParameter[]): Promise<Row[]>
  /** Statements without parameters or results, together. */
  script(text: string): Promise<void>
}

/**
 * A PostgreSQL database, in a server or in this process. Failures to reach it, or of its own, are StoreUnavailableErrors; what
 * is wrong with a statement or its data stays an error of the library, with an SQLSTATE in `code`.
 */
export interface Sql extends SqlSession {
  /** A statement that is done later than so long after it was sent may have been given up. Infinity if none ever is. */
  readonly patienceMs: number
  transaction(run: (session: SqlSession) => Promise<void>): Promise<void>
  close(): Promise<void>
}

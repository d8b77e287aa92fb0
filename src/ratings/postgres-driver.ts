import postgres from 'postgres'
import { StoreUnavailableError } from './errors.ts'
import type { Sql, SqlParameter, SqlSession } from './sql.ts'

export interface PostgresOptions {
  readonly url: string
  /** Connections at most. */
  readonly poolMax: number
  readonly connectTimeoutMs: number
  readonly statementTimeoutMs: number
}

const retryAfterMs = 1000
/** A pool, or a transaction on one of its connections. */
type Connection = Pick<postgres.Sql, 'unsafe'>

/** Between attempts to connect, at most. */
const reconnectDelaySecMax = 1
/** How much longer than the server's own time-out a statement may take to be answered. */
const answerMarginMs = 1000

/**
 * SQLSTATEs that say nothing about the statement: connection, resources, deadlock and serialization, cancelled (time-out),
 * shutdown. (PostgreSQL documentation, appendix A.)
 */
const transientStates = /^(08|53|57|58|40|55P03)/

/** A pool of connections to a PostgreSQL server; connects when first used. */
export function openPostgres(options: PostgresOptions): Sql {
  let pool = openPool(options)
  // The margin is for a statement's commit, and for the answer.
  const patienceMs = options.statementTimeoutMs
  /** Bounds work on a pool. Connections that don't answer may never do so again: new ones take their place. */
  const bounded = <T>(work: Promise<T>, on: postgres.Sql): Promise<T> =>
    withTimeout(asUnavailable(work, patienceMs), patienceMs + answerMarginMs, () => {
      if (on !== pool) return
      pool = openPool(options)
      void on.end({ timeout: 0 })
    })
  return {
    query: (text, parameters) => sessionOf(pool, (work) => bounded(work, pool)).query(text, parameters),
    script: (text) => sessionOf(pool, (work) => bounded(work, pool)).script(text),
    patienceMs,
    transaction: async (run) => {
      const on = pool
      // Not bounded as a whole: a migration may take long, or wait for another's. Each statement of it is.
      await asUnavailable(
        on.begin((transaction) => run(sessionOf(transaction, (work) => bounded(work, on)))),
        patienceMs,
      )
    },
    close: () => pool.end({ timeout: Math.ceil(options.statementTimeoutMs / 1000) }),
  }
}

function openPool(options: PostgresOptions): postgres.Sql {
  return postgres(options.url, {
    max: options.poolMax,
    connect_timeout: Math.ceil(options.connectTimeoutMs / 1000),
    connection: { application_name: 'openclaw-edge', statement_timeout: options.statementTimeoutMs },
    // The library's own waits up to 20 s between attempts, which a store that is back would look away for.
    backoff: (retries: number) =>
      Math.min(0.05 * 2 ** retries, reconnectDelaySecMax) * (0.5 + Math.random() / 2),
    // A connection that is lost while it asks for the types of arrays would end the process: nobody hears of that failure.
    fetch_types: false,
    onnotice: () => {},
  })
}

function sessionOf(on: Connection, bounded: <T>(work: Promise<T>) => Promise<T>): SqlSession {
  return {
    query: <Row>(text: string, parameters: readonly SqlParameter[]) =>
      bounded(query<Row>(on, text, parameters)),
    script: async (text) => {
      await bounded(query(on, text))
    },
  }
}

async function query<Row>(
  on: Connection,
  text: string,
  parameters?: readonly SqlParameter[],
): Promise<Row[]> {
  const values = (parameters ?? []).map((value) => (isArray(value) ? arrayLiteral(value) : value))
  const rows = await on.unsafe<Row[] & postgres.MaybeRow[]>(text, values, {
    prepare: parameters !== undefined,
  })
  if (parameters !== undefined && !isWhole(rows)) {
    throw new StoreUnavailableError('the connection to the store was lost', { retryAfterMs })
  }
  return [...rows]
}

/**
 * A statement that the library takes on between the error and the end of a connection is never sent, but answered with nothing
 * when the next connection is ready. And rows that had come before a connection ended leave gaps in the next answer.
 */
function isWhole({
  command,
  count,
  length,
}: {
  command: string | null
  count: number
  length: number
}): boolean {
  return command !== null && (command !== 'SELECT' || count === length)
}

function isArray(value: SqlParameter): value is readonly (string | number | null)[] {
  return Array.isArray(value)
}

/** An array as PostgreSQL reads it (documentation, 8.15.2). */
function arrayLiteral(values: readonly (string | number | null)[]): string {
  const items = values.map((value) =>
    value === null ? 'null' : `"${String(value).replaceAll(/["\\]/g, String.raw`\$&`)}"`,
  )
  return `{${items.join(',')}}`
}

async function asUnavailable<T>(work: Promise<T>, patienceMs: number): Promise<T> {
  const sentMs = performance.now()
  try {
    return await work
  } catch (error) {
    if (!(error instanceof Error) || error instanceof StoreUnavailableError || !isTransient(error))
      throw error
    throw new StoreUnavailableError(`the store is unavailable (${codeOf(error) ?? error.name})`, {
      retryAfterMs,
      mayHappenForMs: isOnItsWay(error) ? Math.max(0, sentMs + patienceMs - performance.now()) : 0,
    })
  }
}

/** Whether the server may have the statement, and be at work on it. When it tells of an error, or was never reached, it isn't. */
function isOnItsWay(error: Error): boolean {
  if (error instanceof postgres.PostgresError) return false
  return !/^(ECONNREFUSED|CONNECT_TIMEOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT)/.test(
    codeOf(error) ?? '',
  )
}

/** Errors with no SQLSTATE are of the connection: they name its host, so only their code goes on. */
function isTransient(error: Error): boolean {
  if (error instanceof postgres.PostgresError) return transientStates.test(error.code)
  const code = codeOf(error)
  return (
    code !== undefined &&
    /^(CONNECT|ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ENOENT|ERR_STREAM|ERR_SOCKET)/.test(
      code,
    )
  )
}

function codeOf(error: Error): string | undefined {
  if (error instanceof AggregateError) return error.errors.map((inner: Error) => codeOf(inner)).find(Boolean)
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

async function withTimeout<T>(work: Promise<T>, timeoutMs: number, onTimeout: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new StoreUnavailableError(`the store did not answer within ${timeoutMs} ms`, { retryAfterMs }))
      onTimeout()
    }, timeoutMs)
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}

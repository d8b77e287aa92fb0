import { pino, type DestinationStream, type Logger } from 'pino'

export type { Logger }

const secretNames = [
  'authorization',
  'password',
  'token',
  'apiKey',
  'hashKey',
  'url',
  'connectionString',
  'key',
  'user',
  'subject',
  'comment',
]
const causesMax = 5

interface LoggedError {
  readonly type: string
  readonly code: string | undefined
  readonly message: string
  /** Its frames, without the message that Node puts before them. */
  readonly stack: string
  readonly cause?: LoggedError
}

/** JSON lines. Whoever passes it, what could hold a secret or say who a user is, is never logged. */
export function createLogger(
  options: { level: string; region: string },
  destination?: DestinationStream,
): Logger {
  return pino(
    {
      level: options.level,
      base: { region: options.region },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: secretNames.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: '[redacted]',
      },
      serializers: { err: (error: unknown) => describe(error, causesMax) },
    },
    ...(destination ? [destination] : []),
  )
}

/** What helps to find an error's cause; a database's errors also carry the row, the statement and its parameters. */
function describe(error: unknown, causesLeft: number): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, code: undefined, message: '', stack: '' }
  const { name, message, stack = '', cause } = error
  return {
    type: name,
    code: 'code' in error && typeof error.code === 'string' ? error.code : undefined,
    message: message.replaceAll(/\/\/[^\s/]*@/g, '//[redacted]@'),
    stack: stack
      .split('\n')
      .filter((line) => /^\s+at /.test(line))
      .join('\n'),
    ...(cause !== undefined && causesLeft > 0 && { cause: describe(cause, causesLeft - 1) }),
  }
}

import { pino, type DestinationStream, type Logger } from 'pino'

export type { Logger }

/** JSON lines. What could hold a secret is never logged, whoever passes it. */
export function createLogger(
  options: { level: string; region: string },
  destination?: DestinationStream,
): Logger {
  const secret = ['authorization', 'password', 'token', 'apiKey', 'hashKey', 'url', 'connectionString']
  return pino(
    {
      level: options.level,
      base: { region: options.region },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secret.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
    },
    ...(destination ? [destination] : []),
  )
}

import { pino, type Logger } from 'pino'
import type { AuditEntry } from '../http/audit.ts'

export interface AuditLog {
  write(entry: AuditEntry): void
  close(): void
}

/**
 * Where each action that changes limits or buckets by hand is noted, a JSON line each, before it is answered: a file that is only
 * ever appended to, or without one the log, whatever its level. @throws when the file can't be opened.
 */
export function openAudit(file: string | null, logger: Logger): AuditLog {
  if (file === null) {
    const child = logger.child({ audit: true }, { level: 'info' })
    return { write: (entry) => child.info(entry, entry.action), close: () => {} }
  }
  const destination = pino.destination({ dest: file, append: true, mkdir: true, sync: true, mode: 0o600 })
  destination.on('error', (error) => logger.error({ err: error }, 'the audit log could not be written'))
  const log = pino({ base: logger.bindings(), timestamp: pino.stdTimeFunctions.isoTime }, destination)
  return {
    write: (entry) => log.info(entry, entry.action),
    close: () => destination.end(),
  }
}

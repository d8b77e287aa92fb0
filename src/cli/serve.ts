import { resolve } from 'node:path'
import { keepConfigured, loadConfig } from '../node/configuration.ts'
import { createLogger, type Logger } from '../node/logger.ts'
import { startNode } from '../node/serve.ts'
import { tracingSettings } from '../node/tracing-settings.ts'
import { untilSupervisorStops } from './supervised.ts'
import { untilStopped } from './until-stopped.ts'

interface ServeOptions {
  readonly config: string
  readonly region: string
  readonly ordinal: number
}

/** Beyond what requests under way get: for the last ratings to be committed, and to leave the network. */
const closeGraceMs = 10_000

/** `openclaw serve`: one edge node, until SIGTERM or Ctrl-C. */
export async function serve({ config: file, region, ordinal }: ServeOptions): Promise<void> {
  const path = resolve(file)
  const config = await loadConfig(path, process.env)
  const logger = createLogger({ level: config.log.level, region })
  const lost = Promise.withResolvers<never>()
  const onLost = (): void =>
    lost.reject(new Error(`another process runs as replica ${region}/${ordinal} now: this one ends`))
  const node = await startNode({
    config,
    region,
    ordinal,
    logger,
    tracing: tracingSettings(process.env),
    onLost,
  })
  const stopReloading = keepConfigured({ path, env: process.env, current: config, logger, onHangUp: true }, [
    node,
  ])
  logger.info({ listening: node.url, limits: config.limits.map(({ name }) => name) }, 'serving')
  let keepIdle = true
  try {
    const signal = await Promise.race([
      untilStopped(['SIGINT', 'SIGTERM']),
      untilSupervisorStops(node),
      lost.promise,
    ])
    // A person at a terminal doesn't want to wait for connections that do nothing.
    keepIdle = signal !== 'SIGINT'
  } finally {
    logger.info('stopping: requests under way are finished')
    stopReloading()
    endAfter(config.http.shutdownTimeoutMs + closeGraceMs, logger)
    await node.close({ keepIdle })
    if (process.connected) process.disconnect()
  }
}

/** Ends a process that doesn't come to its end, such as when neither store nor NATS is reached any more. */
function endAfter(timeoutMs: number, logger: Logger): void {
  setTimeout(() => {
    logger.fatal({ timeoutMs }, 'not stopped in time: what is not done yet is given up')
    process.exit(1)
  }, timeoutMs).unref()
}

import { resolve } from 'node:path'
import { keepConfigured, loadConfig } from '../node/configuration.ts'
import { createLogger } from '../node/logger.ts'
import { startNode } from '../node/serve.ts'
import { untilStopped } from './until-stopped.ts'

interface ServeOptions {
  readonly config: string
  readonly region: string
  readonly ordinal: number
}

/** `openclaw serve`: one edge node, until SIGTERM or Ctrl-C. */
export async function serve({ config: file, region, ordinal }: ServeOptions): Promise<void> {
  const path = resolve(file)
  const config = await loadConfig(path, process.env)
  const logger = createLogger({ level: config.log.level, region })
  const lost = Promise.withResolvers<never>()
  const onLost = (): void =>
    lost.reject(new Error(`another process runs as replica ${region}/${ordinal} now: this one ends`))
  const node = await startNode({ config, region, ordinal, logger, onLost })
  const stopReloading = keepConfigured({ path, env: process.env, current: config, logger, onHangUp: true }, [
    node,
  ])
  logger.info({ listening: node.url, limits: config.limits.map(({ name }) => name) }, 'serving')
  try {
    await Promise.race([untilStopped(['SIGINT', 'SIGTERM']), lost.promise])
  } finally {
    logger.info('stopping: requests under way are finished')
    stopReloading()
    await node.close()
  }
}

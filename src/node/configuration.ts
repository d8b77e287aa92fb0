import type { EdgeConfig } from '../config/edge-config.ts'
import { loadLimitsFile } from '../config/limits-document.ts'
import { loadConfigFile } from '../config/load.ts'
import { formatProblems } from '../config/problem.ts'
import { watchConfig } from '../config/watch.ts'
import type { Edge } from './edge.ts'
import type { Logger } from './logger.ts'

/** A configuration with problems; the message lists all of them, a line each. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** @throws {ConfigError} */
export async function loadConfig(path: string, env: NodeJS.ProcessEnv): Promise<EdgeConfig> {
  const result = await loadConfigFile(path, env)
  if (!result.ok) throw new ConfigError(formatProblems(result.errors))
  return result.config
}

/** The limits of a configuration file as they stand in it, whatever else it says. @throws {ConfigError} */
export async function readLimits(path: string): Promise<unknown> {
  const result = await loadLimitsFile(path)
  if (!result.ok) throw new ConfigError(formatProblems(result.errors))
  return result.document
}

export interface KeepOptions {
  readonly path: string
  readonly env: NodeJS.ProcessEnv
  readonly current: EdgeConfig
  readonly logger: Logger
  /** Whether SIGHUP reloads, as is usual for a process without a terminal. */
  readonly onHangUp: boolean
}

/** Reloads limits when the file changes, or on SIGHUP; answers how to stop that. */
export function keepConfigured(options: KeepOptions, edges: readonly Edge[]): () => void {
  const { logger } = options
  const watcher = watchConfig({
    ...options,
    onConfig: (config, changes) => {
      for (const edge of edges) edge.reconfigure(config)
      logger.info(changes, 'configuration reloaded')
    },
    onRejected: (problems) => {
      logger.error(
        { problems: formatProblems(problems).split('\n') },
        'configuration not reloaded: nothing is changed',
      )
    },
  })
  const reload = (): void => void watcher.reload()
  if (options.onHangUp) process.on('SIGHUP', reload)
  return () => {
    process.off('SIGHUP', reload)
    watcher.close()
  }
}

/** Tokens of a full bucket of the limit that guards ratings, with all regions in contact; 0 if there is none. */
export function ratingsCapacity({ limits }: EdgeConfig): number {
  const limit = limits.find(({ name }) => name === 'ratings')
  return Object.values(limit?.shares ?? {}).reduce((sum, { capacity }) => sum + capacity, 0)
}

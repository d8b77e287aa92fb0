import type { EdgeConfig, LimitConfig } from '../config/edge-config.ts'
import type { EdgeOptions } from './edge.ts'
import { startLimiter, type DrivenLimiter } from './limiter-driver.ts'

/** A limiter with the limits that count: those that all regions agreed on once there are any, else those of the configuration. */
export interface LimitsInForce extends DrivenLimiter {
  current(): readonly LimitConfig[]
  reconfigure(config: EdgeConfig): void
}

export async function startLimits(options: EdgeOptions): Promise<LimitsInForce> {
  const { config, sharedLimits, logger } = options
  let limits = sharedLimits?.limits ?? config.limits
  const driven = await startLimiter({ ...options, config: { ...config, limits } })
  const { limiter } = driven
  const setLimits = (next: readonly LimitConfig[]): void => {
    limits = next
    limiter.setLimits(next)
  }
  sharedLimits?.bind({ limits, setLimits, peers: () => limiter.peers() })
  return {
    limiter,
    current: () => limits,
    reconfigure: (next) => {
      if (!sharedLimits?.limits) setLimits(next.limits)
      else logger.warn('the limits of the file do not count: all regions agreed on others')
    },
    stop: () => {
      sharedLimits?.close()
      return driven.stop()
    },
  }
}

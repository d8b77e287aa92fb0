import { setTimeout as delay } from 'node:timers/promises'
import { Limiter } from '../limiter/limiter.ts'
import type { EdgeOptions } from './edge.ts'
import { beginFrom, SnapshotKeeper } from './snapshots.ts'

/** A limiter, and what drives it: the clock, the exchange of news, and snapshots. */
export interface DrivenLimiter {
  readonly limiter: Limiter
  /** After the last take: gets back what is leased out, sends the last batch, and saves what the next life should know. */
  stop(): Promise<void>
}

/** How long what can't wait for the next batch is gathered. */
const urgentDelayMs = 5

export async function startLimiter(options: EdgeOptions): Promise<DrivenLimiter> {
  const { config, snapshots, logger } = options
  const { pages, startsFresh } = snapshots
    ? await beginFrom(snapshots, logger)
    : { pages: [], startsFresh: options.startsFresh }
  let asking: NodeJS.Timeout | undefined
  const limiter = newLimiter(options, startsFresh, () => {
    asking ??= setTimeout(() => {
      asking = undefined
      limiter.tickUrgent()
    }, urgentDelayMs)
  })
  limiter.restore(pages)
  const { intervalMs, snapshotIntervalMs } = config.sync
  // No other timer: each wakes the process, which costs an idle edge more than anything else.
  const timer = setInterval(() => limiter.tick(), intervalMs)
  const keeper =
    snapshots &&
    new SnapshotKeeper(snapshots, {
      limiter,
      earlierPages: pages.length,
      intervalMs: snapshotIntervalMs,
      logger,
    })
  return {
    limiter,
    stop: async () => {
      if (keeper) await untilNothingIsLent(limiter, config)
      clearInterval(timer)
      clearTimeout(asking)
      limiter.flush()
      await keeper?.finish()
    },
  }
}

/** A share that is leased out can't be used by the next life until the lease has ended, so its end is waited for here. */
async function untilNothingIsLent(limiter: Limiter, { sync, http }: EdgeOptions['config']): Promise<void> {
  limiter.recall()
  const deadlineMs = performance.now() + http.shutdownTimeoutMs
  while (limiter.hasLent && performance.now() < deadlineMs) await delay(sync.intervalMs)
}

function newLimiter(
  { config, transport, hashKey, logger }: EdgeOptions,
  startsFresh: boolean,
  onUrgent: () => void,
): Limiter {
  return new Limiter({
    transport,
    startsFresh,
    limits: config.limits,
    hashKey,
    incarnation: Date.now(),
    contactTimeoutMs: config.sync.contactTimeoutMs,
    quietPart: config.sync.quietPart,
    // A coarse clock would save nothing beside a request.
    nowMs: () => performance.now(),
    onUrgent,
    onContact: (regions) => logger.info({ regions: [...regions] }, 'the regions in contact changed'),
    onProblem: (from, problem) =>
      logger.warn({ from, problem }, 'news of a replica dropped; more of the kind is only counted'),
  })
}

/** The limiter as a library; the whole service is the command `openclaw`. */
export { CoarseClock } from './limiter/coarse-clock.ts'
export { CostError, KeyDeniedError, UnknownLimitError } from './limiter/errors.ts'
export { Limiter, type LimiterOptions, type LimitStats } from './limiter/limiter.ts'
export type {
  BucketState,
  BucketView,
  Decision,
  Key64,
  LimiterApi,
  LimitMode,
  LimitOverride,
  LimitSpec,
  Share,
  Shares,
} from './limiter/types.ts'
export { InProcessNetwork, type InProcessOptions } from './replication/in-process.ts'
export type { Channel, Receiver, ReplicaId, Transport } from './replication/transport.ts'

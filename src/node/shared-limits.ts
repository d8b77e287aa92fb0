import { createHash } from 'node:crypto'
import type { LimitConfig } from '../config/edge-config.ts'
import { parseLimits } from '../config/limits-document.ts'
import { formatProblems } from '../config/problem.ts'
import type { LimitsOutcome, LimitsVersion, LimitsVersions } from '../http/limits-versions.ts'
import { ProblemError, retryAfter } from '../http/problems.ts'
import {
  AgreedDocument,
  NotAgreedError,
  NotReachableError,
  type AgreementOptions,
  type Proposal,
  type Version,
} from '../replication/agreed-document.ts'
import type { PeerStatus } from '../replication/replication-status.ts'
import { regionOf } from '../replication/transport.ts'
import type { Logger } from './logger.ts'

export interface SharedLimitsOptions extends Pick<
  AgreementOptions,
  'connection' | 'cluster' | 'replica' | 'domain'
> {
  readonly logger: Logger
}

/** What the versions apply to. */
export interface Bound {
  /** The limits that it began with. */
  readonly limits: readonly LimitConfig[]
  readonly setLimits: (limits: readonly LimitConfig[]) => void
  readonly peers: () => readonly PeerStatus[]
}

/** A replica that was heard within this is taken to live, and has to agree. */
const liveMs = 10_000
const unreachableRetryMs = 5000

/** The limits that all regions agreed on, in place of those of the file once there are any. */
export class SharedLimits implements LimitsVersions {
  readonly #options: SharedLimitsOptions
  #agreed: AgreedDocument | undefined
  #limits: readonly LimitConfig[] | undefined
  #bound: Bound | undefined

  private constructor(options: SharedLimitsOptions) {
    this.#options = options
  }

  /** @throws {NoJetStreamError} */
  static async open(options: SharedLimitsOptions): Promise<SharedLimits> {
    const shared = new SharedLimits(options)
    const { logger, ...place } = options
    shared.#agreed = await AgreedDocument.open({
      ...place,
      judge: (document) => shared.#judge(document).problems,
      others: () => shared.#others(),
      onVersion: (version) => shared.#putInForce(version),
      onProblem: (problem) => logger.error({ problem }, 'the limits that all regions share'),
    })
    return shared
  }

  /** Undefined while those of the file count. */
  get limits(): readonly LimitConfig[] | undefined {
    return this.#limits
  }

  /** Of the limits in force; 0 while those of the file count. */
  get version(): number {
    return this.#agreed?.current?.version ?? 0
  }

  bind(bound: Bound): void {
    this.#bound = bound
    if (this.#limits && this.#limits !== bound.limits) bound.setLimits(this.#limits)
  }

  current(): LimitsVersion | undefined {
    return described(this.#agreed?.current)
  }

  async apply({
    document,
    by,
    dryRun,
  }: {
    document: unknown
    by: string
    dryRun: boolean
  }): Promise<LimitsOutcome> {
    const { problems } = this.#judge(document)
    if (problems.length > 0)
      throw new ProblemError('invalid', problems.join('; '), {
        violations: problems.map((detail) => ({ detail })),
      })
    return this.#propose({ document, by, dryRun, note: 'applied' })
  }

  async rollback({ to, by }: { to: number | undefined; by: string }): Promise<LimitsOutcome> {
    const wanted = to ?? this.version - 1
    const earlier = (await this.#versions()).find(({ version }) => version === wanted)
    if (!earlier) throw new ProblemError('not-found', this.#noVersion(to))
    return this.#propose({
      document: earlier.document,
      by,
      dryRun: false,
      note: `rolled back to version ${wanted}`,
    })
  }

  async history(): Promise<LimitsVersion[]> {
    return (await this.#versions()).flatMap((version) => described(version) ?? [])
  }

  close(): void {
    this.#agreed?.close()
  }

  async #propose(proposal: Omit<Proposal, 'at'>): Promise<LimitsOutcome> {
    const before = this.current()
    try {
      const at = new Date().toISOString()
      const { version, applied, pending } = await this.#agreed!.propose({ ...proposal, at })
      return { before, version: described(version), applied, pending }
    } catch (error) {
      throw problemOf(error)
    }
  }

  async #versions(): Promise<Version[]> {
    try {
      return await this.#agreed!.history()
    } catch (error) {
      throw problemOf(error)
    }
  }

  #noVersion(to: number | undefined): string {
    if (to !== undefined) return `there is no version ${to} to go back to`
    return this.version === 0 ? 'there is no version yet' : `there is no version before ${this.version}`
  }

  #judge(document: unknown): { limits: readonly LimitConfig[]; problems: readonly string[] } {
    const result = parseLimits(JSON.stringify(document), 'limits')
    if (!result.ok) return { limits: [], problems: formatProblems(result.errors).split('\n') }
    const region = regionOf(this.#options.replica)
    const problems = result.regions.includes(region)
      ? []
      : [`region ${region} has a replica that runs, and no share of any limit`]
    return { limits: result.limits, problems }
  }

  #others(): string[] {
    const peers = this.#bound?.peers() ?? []
    return peers.filter(({ silentMs }) => silentMs < liveMs).map(({ replica }) => replica)
  }

  #putInForce(version: Version): void {
    this.#limits = this.#judge(version.document).limits
    this.#bound?.setLimits(this.#limits)
    this.#options.logger.info(
      { version: version.version, by: version.by, note: version.note },
      'limits put in force that all regions agreed on; those of the file no longer count',
    )
  }
}

function described(version: Version | undefined): LimitsVersion | undefined {
  if (!version) return undefined
  const digest = createHash('sha256').update(JSON.stringify(version.document)).digest('hex').slice(0, 16)
  return { ...version, digest }
}

function problemOf(error: unknown): unknown {
  if (error instanceof NotAgreedError) return new ProblemError('not-agreed', error.message)
  if (!(error instanceof NotReachableError)) return error
  return new ProblemError('limits-unreachable', error.message, { headers: retryAfter(unreachableRetryMs) })
}

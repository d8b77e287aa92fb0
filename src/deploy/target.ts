import type { EdgeConfig } from '../config/edge-config.ts'
import type { EdgeAddress } from './edges-file.ts'
import type { EdgeEnvironment } from './environment.ts'
import type { WantedEdge } from './project.ts'
import type { Release } from './releases.ts'

export type Progress = (text: string) => void

export interface ProvisionedEdge extends WantedEdge {
  /** Where its callers will find it. */
  readonly url: string
}

export interface RolloutOptions {
  /** How long a node may take to become ready before the release counts as failed; milliseconds. */
  readonly readyTimeoutMs: number
  readonly onProgress: Progress
}

export interface LogOptions {
  readonly regions: readonly string[]
  /** The last lines of each region first. */
  readonly lines: number
  /** Goes on until the signal. */
  readonly follow: AbortSignal | undefined
  readonly onLine: (region: string, line: string) => void
}

/** What `doctor` found out. */
export interface Finding {
  readonly about: string
  readonly state: 'ok' | 'warning' | 'problem'
  readonly detail: string
  /** What to do about it. */
  readonly advice?: string
}

/** What of a release a target may have to object to. */
export interface ReleaseNeeds {
  readonly config: EdgeConfig
  /** It names a PostgreSQL. */
  readonly hasStore: boolean
  /** Its configuration says who may call, or that nobody is checked. */
  readonly saysWhoMayCall: boolean
  readonly env: EdgeEnvironment
}

/** A release did not become healthy, and what ran before runs again. */
export class RolloutError extends Error {
  override readonly name = 'RolloutError'
}

/** Where edges run: this machine, Docker, Kubernetes. */
export interface Target {
  /** Makes places for edges; those that are there keep theirs. */
  provision(edges: readonly WantedEdge[]): Promise<readonly ProvisionedEdge[]>
  /** The secret by which the replicas hash keys, unless the environment of a release says. */
  hashKey(): Promise<string>
  /** Why a release can't be rolled out here, if so: what is missing. A line each. */
  missing(edges: readonly WantedEdge[], release: ReleaseNeeds): Promise<readonly string[]>
  /**
   * Puts a release in force, one node after the other, without losing a request. Answers where it is reached.
   * @throws {RolloutError} if it doesn't become healthy; then what ran before runs again.
   */
  rollOut(release: Release, options: RolloutOptions): Promise<readonly EdgeAddress[]>
  logs(options: LogOptions): Promise<void>
  /** Checks the machine and what runs. */
  examine(edges: readonly WantedEdge[]): Promise<readonly Finding[]>
  /** What `destroy` would end and delete, a line each. */
  remains(): Promise<readonly string[]>
  destroy(onProgress: Progress): Promise<void>
}

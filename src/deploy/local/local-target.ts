import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { speaksTls } from '../edge-yaml.ts'
import { readEdges, type EdgeAddress } from '../edges-file.ts'
import { wantEdges, type WantedEdge } from '../project.ts'
import { Releases, type Release } from '../releases.ts'
import {
  RolloutError,
  type Finding,
  type LogOptions,
  type Progress,
  type ProvisionedEdge,
  type RolloutOptions,
  type Target,
} from '../target.ts'
import { assignAddresses } from '../addresses.ts'
import packageJson from '../../../package.json' with { type: 'json' }
import { askSupervisor, ControlError, isServed } from './control.ts'
import type { EdgeCommand } from './edge-process.ts'
import { examineLocal } from './examine.ts'
import { layout } from './layout.ts'
import { endLeftovers } from './leftovers.ts'
import { installedNats, writeNatsFiles } from './nats-server.ts'
import { findPostgres } from './postgres-cluster.ts'
import { showLogs } from './show-logs.ts'
import type { SupervisorState } from './supervisor.ts'

const startTimeoutMs = 20_000
const pauseMs = 50

/**
 * Edges as processes of this machine, under a supervisor of their own that outlives the command. It runs this package's own code:
 * an image only names the release.
 */
export class LocalTarget implements Target {
  readonly #projectDir: string
  readonly #edgeCommand: EdgeCommand
  readonly #version: string

  /** @param version of the package whose code `edgeCommand` runs */
  constructor(projectDir: string, edgeCommand: EdgeCommand, version: string = packageJson.version) {
    this.#projectDir = projectDir
    this.#edgeCommand = edgeCommand
    this.#version = version
  }

  async provision(edges: readonly WantedEdge[]): Promise<ProvisionedEdge[]> {
    const regions = edges.map(({ region }) => region)
    const addresses = await assignAddresses(this.#projectDir, regions)
    const project = await wantEdges(this.#projectDir, edges)
    for (const { region } of project.edges) await writeNatsFiles(this.#projectDir, region, addresses)
    const scheme = speaksTls(await this.#configText()) ? 'https' : 'http'
    return project.edges.map((edge) => ({
      ...edge,
      url: `${scheme}://127.0.0.1:${addresses.regions[edge.region]?.http}`,
    }))
  }

  async hashKey(): Promise<string> {
    return (await assignAddresses(this.#projectDir, [])).hashKey
  }

  missing(edges: readonly WantedEdge[], { hasStore }: { hasStore: boolean }): Promise<string[]> {
    const missing: string[] = []
    if (installedNats() === undefined)
      missing.push(
        'nats-server is not installed, which joins the regions (Debian: apt-get install nats-server)',
      )
    if (!hasStore && findPostgres() === undefined)
      missing.push(
        `${edges.length} edges need a store that they share: give --env RATING_DB_URL=postgres://…, or install PostgreSQL, and one is started for them (Debian: apt-get install postgresql)`,
      )
    return Promise.resolve(missing)
  }

  async rollOut(
    release: Release,
    { readyTimeoutMs, onProgress }: RolloutOptions,
  ): Promise<readonly EdgeAddress[]> {
    await this.#ensureSupervisor(onProgress)
    try {
      await this.#ask(`roll ${release.number} ${readyTimeoutMs}`, onProgress)
    } catch (error) {
      if (error instanceof ControlError && error.kind === 'RolloutError')
        throw new RolloutError(error.message, { cause: error })
      throw error
    }
    return readEdges(this.#projectDir)
  }

  logs(options: LogOptions): Promise<void> {
    return showLogs(layout(this.#projectDir), options)
  }

  /** Undefined while nothing runs. */
  async state(): Promise<SupervisorState | undefined> {
    if (!(await isServed(this.#socket))) return undefined
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the supervisor answers to this
    return (await this.#ask('state', () => {})) as SupervisorState
  }

  async examine(edges: readonly WantedEdge[]): Promise<Finding[]> {
    const live = await new Releases(this.#projectDir).live()
    return examineLocal(this.#projectDir, { edges, live, state: await this.state() })
  }

  async remains(): Promise<string[]> {
    const state = await this.state()
    const places = layout(this.#projectDir)
    const processes = [
      ...(state?.regions ?? []).map(({ region, url }) => `the edge of ${region} (${url})`),
      ...(state?.servers ?? []).map(({ name }) => name),
    ]
    return [
      ...processes,
      ...(existsSync(places.postgres)
        ? [`the ratings in the deployment's own database (${places.postgres})`]
        : []),
      ...(existsSync(places.root) ? [`releases, logs and secrets (${places.root})`] : []),
    ]
  }

  async destroy(onProgress: Progress): Promise<void> {
    await this.#endSupervisor(onProgress)
    const places = layout(this.#projectDir)
    for (const name of await endLeftovers(places.processes)) onProgress(`${name} ended`)
    await rm(places.root, { recursive: true, force: true })
  }

  /** Of what is deployed; before that, of what a deploy takes unless told otherwise. */
  async #configText(): Promise<string> {
    const releases = new Releases(this.#projectDir)
    const live = await releases.live()
    if (live) return (await releases.contents(live.number)).config
    return readFile(join(this.#projectDir, 'token_buckets.yaml'), 'utf8').catch(() => '')
  }

  get #socket(): string {
    return layout(this.#projectDir).socket
  }

  #ask(command: string, onProgress: Progress): Promise<unknown> {
    return askSupervisor(this.#socket, command, onProgress)
  }

  /** Lets a supervisor end, and all that it runs. */
  async #endSupervisor(onProgress: Progress): Promise<void> {
    const pid = (await this.state())?.pid
    if (pid === undefined) return
    await this.#ask('stop', onProgress)
    while (isRunning(pid)) await sleep(pauseMs)
  }

  /** One of this version: another may not understand this package's edges. */
  async #ensureSupervisor(onProgress: Progress): Promise<void> {
    const version = (await this.state())?.version
    if (version === this.#version) return
    if (version !== undefined) {
      onProgress(
        `the supervisor of version ${version} ends: its regions are out of reach until the new one runs`,
      )
      await this.#endSupervisor(onProgress)
    }
    onProgress('the supervisor starts')
    await mkdir(layout(this.#projectDir).logs, { recursive: true, mode: 0o700 })
    const [program, ...args] = this.#edgeCommand
    const log = openSync(layout(this.#projectDir).log('supervisor'), 'a', 0o600)
    const child = spawn(program, [...args, 'supervise'], {
      cwd: this.#projectDir,
      detached: true,
      stdio: ['ignore', log, log],
    })
    closeSync(log)
    child.unref()
    const startedMs = performance.now()
    while (!(await isServed(this.#socket))) {
      if (performance.now() - startedMs > startTimeoutMs || child.exitCode !== null)
        throw new Error(
          `the supervisor did not start; see ${layout(this.#projectDir).log('supervisor')}, or run: openclaw supervise`,
        )
      await sleep(pauseMs)
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

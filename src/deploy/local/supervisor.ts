import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import packageJson from '../../../package.json' with { type: 'json' }
import { readConfig } from '../config-check.ts'
import { edgeYaml, type EdgeFields } from '../edge-yaml.ts'
import { removeEdges, writeEdges } from '../edges-file.ts'
import { readProject, replaceFile, type WantedEdge } from '../project.ts'
import { Releases } from '../releases.ts'
import { heapMiB, sizes } from '../sizes.ts'
import { RolloutError, type Progress } from '../target.ts'
import { readAddresses, type Addresses, type RegionPorts } from '../addresses.ts'
import { serveControl } from './control.ts'
import { EdgeProcess, type EdgeCommand, type EdgeSpec } from './edge-process.ts'
import { Front } from './front.ts'
import { layout } from './layout.ts'
import { endLeftovers, noteProcesses } from './leftovers.ts'
import { LogFile } from './log-file.ts'
import { startNats, writeNatsFiles } from './nats-server.ts'
import { postgresUrl, startPostgres } from './postgres-cluster.ts'
import { RegionEdges, type StartEdge } from './region-edges.ts'
import { serverStopTimeoutMs, type ServerProcess } from './server-process.ts'

/** What runs in a region, for `status` and `doctor`. */
export interface RegionState {
  readonly region: string
  readonly url: string
  /** Undefined while no edge serves there. */
  readonly pid: number | undefined
  readonly startedAt: string | undefined
  readonly restarts: number
}

export interface SupervisorState {
  readonly pid: number
  /** Of the package whose code it runs. */
  readonly version: string
  readonly release: number | undefined
  readonly regions: readonly RegionState[]
  readonly servers: readonly { readonly name: string; readonly pid: number; readonly restarts: number }[]
}

export interface SupervisorOptions {
  readonly projectDir: string
  readonly edgeCommand: EdgeCommand
}

interface Region {
  readonly front: Front
  /** `host:port`, where it listens. */
  readonly address: string
  readonly edges: RegionEdges<EdgeProcess>
  /** Which what runs there speaks. */
  scheme: Scheme
}

type Scheme = 'http' | 'https'

/** Beyond what the edge itself waits for requests under way; it ends before. */
const stopGraceMs = 15_000

/** Runs what is deployed on this machine: a NATS server and an edge for each region, PostgreSQL if need be. Ends when told to. */
export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #releases: Releases
  readonly #regions = new Map<string, Region>()
  /** By region, with what each was configured by when it started. */
  readonly #nats = new Map<string, { readonly server: ServerProcess; readonly config: string }>()
  readonly #log: LogFile
  /** Those that were started; those that have ended are dropped when they are noted. */
  #edges: readonly EdgeProcess[] = []
  #postgres: ServerProcess | undefined
  #live: number | undefined
  #work: Promise<unknown> = Promise.resolve()
  #noting: Promise<void> = Promise.resolve()
  #leftovers: Promise<readonly string[]> | undefined
  /** Who asked for the work that is done now. */
  #onStep: Progress = () => {}
  readonly #stopped = Promise.withResolvers<void>()

  private constructor(options: SupervisorOptions) {
    this.#options = options
    this.#releases = new Releases(options.projectDir)
    this.#log = new LogFile(layout(options.projectDir).log('supervisor'))
  }

  /** Resolves when it was told to stop, and has. The working directory has to be the project's. */
  static async run(options: SupervisorOptions, stopRequested: Promise<unknown>): Promise<void> {
    const places = layout(options.projectDir)
    await mkdir(places.logs, { recursive: true, mode: 0o700 })
    const supervisor = new Supervisor(options)
    supervisor.#live = (await supervisor.#releases.live())?.number
    const control = await serveControl(places.socket, {
      handle: (command, onStep) => supervisor.#handle(command, onStep),
    })
    await Promise.race([stopRequested, supervisor.#stopped.promise])
    await supervisor.#stop()
    await control.close()
  }

  /** Once, before anything is started: what a supervisor that was killed has left. Its edges finish what they have under way. */
  async #endLeftovers(): Promise<void> {
    const isFirst = this.#leftovers === undefined
    this.#leftovers ??= endLeftovers(layout(this.#options.projectDir).processes)
    const names = await this.#leftovers
    if (isFirst && names.length > 0) this.#say(`ended what an earlier supervisor left: ${names.join(', ')}`)
  }

  #handle(command: string, onStep: Progress): Promise<unknown> {
    const [name, ...args] = command.split(' ')
    if (name === 'state') return Promise.resolve(this.#state())
    const work = (): Promise<unknown> => {
      this.#onStep = onStep
      if (name === 'stop') return this.#stop()
      if (name === 'roll') return this.#roll(Number(args[0]), Number(args[1]))
      throw new Error(`unknown command ${command}`)
    }
    const done = this.#work.then(work).finally(() => (this.#onStep = () => {}))
    this.#work = done.catch(() => {})
    return done
  }

  #state(): SupervisorState {
    return {
      pid: process.pid,
      version: packageJson.version,
      release: this.#regions.size > 0 ? this.#live : undefined,
      regions: [...this.#regions].map(([name, region]) => ({
        region: name,
        url: urlOf(region),
        pid: region.edges.main?.pid,
        startedAt: region.edges.main?.startedAt.toISOString(),
        restarts: region.edges.restarts,
      })),
      servers: this.#servers().map(({ spec, pid, restarts }) => ({ name: spec.name, pid, restarts })),
    }
  }

  /** Puts a release in force, one node after the other. If it fails, those that were replaced go back to what ran before. */
  async #roll(number: number, readyTimeoutMs: number): Promise<SupervisorState> {
    await this.#endLeftovers()
    const { projectDir } = this.#options
    const [project, addresses] = [await readProject(projectDir), await readAddresses(projectDir)]
    if (!addresses) throw new Error('no edges are provisioned')
    const plan: Plan = { wanted: project.edges, addresses, readyTimeoutMs }
    const isFirst = this.#regions.size === 0
    const rolled: string[] = []
    try {
      await this.#startServers(plan)
      const prepared = await this.#prepare(number, plan)
      for (const one of prepared) await this.#open(one)
      if (isFirst) await Promise.all(prepared.map((one) => this.#rollRegion(one)))
      else {
        for (const one of prepared) {
          await this.#rollRegion(one)
          rolled.push(one.region)
        }
      }
      await this.#close(new Set(prepared.map(({ region }) => region)))
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      this.#say(`release ${number} failed: ${problem}`)
      await this.#releases.setStatus(number, 'failed')
      await this.#goBack(isFirst ? [...this.#regions.keys()] : rolled, plan)
      await this.#noteEdges()
      throw new RolloutError(problem, { cause: error })
    }
    await this.#releases.setStatus(number, 'live')
    this.#live = number
    await this.#noteEdges()
    return this.#state()
  }

  async #goBack(regions: readonly string[], plan: Plan): Promise<void> {
    if (this.#live === undefined) {
      await this.#close(new Set())
      return
    }
    for (const one of await this.#prepare(this.#live, plan)) {
      if (!regions.includes(one.region)) continue
      this.#say(`${one.region} goes back to release ${this.#live}`)
      await this.#rollRegion(one).catch((error: unknown) => this.#say(String(error)))
    }
  }

  async #startServers({ wanted, addresses }: Plan): Promise<void> {
    const { projectDir } = this.#options
    const starting: Promise<void>[] = []
    for (const { region } of wanted) {
      const config = await writeNatsFiles(projectDir, region, addresses)
      const running = this.#nats.get(region)
      if (running?.config === config) continue
      await running?.server.stop()
      this.#say(`nats-server of ${region} starts`)
      const started = startNats(projectDir, region, { addresses, ...this.#serverCallbacks() })
      starting.push(started.then((server) => void this.#nats.set(region, { server, config })))
      // The first time they need each other to become ready; a running one is replaced after the one before.
      if (running) await starting.at(-1)
    }
    await Promise.all(starting)
    if (starting.length > 0) this.#say('NATS is ready')
    await this.#noteProcesses()
  }

  /** How to start the edges of a release in each region, with their files written. */
  async #prepare(number: number, { wanted, addresses, readyTimeoutMs }: Plan): Promise<PreparedRegion[]> {
    const { projectDir } = this.#options
    const { config: text, env } = await this.#releases.contents(number)
    const config = readConfig(text, { file: this.#releases.configFile(number), env })
    const needsStore = config.store.url === null
    if (needsStore && !this.#postgres) {
      this.#say('PostgreSQL starts')
      this.#postgres = await startPostgres(projectDir, { addresses, ...this.#serverCallbacks() })
      await this.#noteProcesses()
    }
    const spec = {
      env: {
        OPENCLAW_HASH_KEY: addresses.hashKey,
        ...(needsStore && { RATING_DB_URL: postgresUrl(addresses) }),
        ...env,
      },
      readyTimeoutMs,
      stopTimeoutMs: config.http.shutdownTimeoutMs + stopGraceMs,
    }
    return Promise.all(
      wanted.map(async ({ region, size }) => {
        const ports = addresses.regions[region]
        if (!ports) throw new Error(`${region} has no ports: provision it again`)
        const configFile = join(this.#releases.directory(number), `${region}.yaml`)
        await replaceFile(configFile, edgeYaml(text, edgeFields(ports, layout(projectDir).natsSeed)))
        const logFile = layout(projectDir).log(region)
        const heap = heapMiB(sizes[size])
        return {
          region,
          address: { host: config.http.host, port: ports.http },
          scheme: config.http.tls === null ? 'http' : 'https',
          start: (ordinal) =>
            this.#startEdge({ ...spec, region, ordinal, configFile, logFile, heapMiB: heap }),
        }
      }),
    )
  }

  #startEdge(spec: EdgeSpec): EdgeProcess {
    const edge = new EdgeProcess(this.#options.edgeCommand, spec)
    this.#edges = [...this.#edges, edge]
    this.#noteSoon()
    return edge
  }

  /** Listens at a region's address, if it doesn't yet. */
  async #open({ region, address, scheme }: PreparedRegion): Promise<void> {
    if (this.#regions.has(region)) return
    const front = await Front.listen(address)
    const edges = new RegionEdges<EdgeProcess>({ front, onEvent: this.#say })
    this.#regions.set(region, {
      front,
      address: `${urlHost(address.host)}:${address.port}`,
      edges,
      scheme,
    })
  }

  /** @throws {EdgeFailedError} */
  async #rollRegion({ region, start, scheme }: PreparedRegion): Promise<void> {
    const found = this.#regions.get(region)
    if (!found) throw new Error(`nobody listens in ${region}`)
    await found.edges.roll(start)
    found.scheme = scheme
  }

  /** Ends what runs in other regions than these. */
  async #close(kept: ReadonlySet<string>): Promise<void> {
    const closing = [...this.#regions].filter(([region]) => !kept.has(region))
    await Promise.all(
      closing.map(async ([region, { front, edges }]) => {
        this.#say(`${region} stops`)
        front.close()
        await edges.close()
        this.#regions.delete(region)
      }),
    )
    for (const [region, { server }] of this.#nats) {
      if (kept.has(region)) continue
      await server.stop()
      this.#nats.delete(region)
    }
  }

  async #stop(): Promise<void> {
    await this.#endLeftovers()
    await this.#close(new Set())
    await this.#postgres?.stop()
    this.#postgres = undefined
    await this.#noteEdges()
    await this.#noteProcesses()
    this.#stopped.resolve()
  }

  #servers(): ServerProcess[] {
    const nats = [...this.#nats.values()].map(({ server }) => server)
    return [...nats, ...(this.#postgres ? [this.#postgres] : [])]
  }

  /** One writing after the other, so that the last one has the newest. */
  #noteProcesses(): Promise<void> {
    const noted = this.#noting.then(() => {
      this.#edges = this.#edges.filter(({ hasEnded }) => !hasEnded)
      return noteProcesses(layout(this.#options.projectDir).processes, [
        ...this.#edges.map(({ replica, pid, spec: { stopTimeoutMs } }) => ({
          name: `the edge ${replica}`,
          pid,
          isEdge: true,
          stopTimeoutMs,
        })),
        ...this.#servers().map(({ spec, pid }) => ({
          name: spec.name,
          pid,
          isEdge: false,
          stopTimeoutMs: serverStopTimeoutMs,
        })),
      ])
    })
    this.#noting = noted.catch(() => {})
    return noted
  }

  #noteSoon(): void {
    this.#noteProcesses().catch((error: unknown) => this.#say(String(error)))
  }

  async #noteEdges(): Promise<void> {
    const { projectDir } = this.#options
    const edges = [...this.#regions].map(([name, region]) => ({ replica: `${name}/0`, url: urlOf(region) }))
    if (edges.length > 0) await writeEdges(projectDir, edges)
    else await removeEdges(projectDir)
  }

  #serverCallbacks(): { onEvent: Progress; onRestart: () => void } {
    return { onEvent: this.#say, onRestart: () => this.#noteSoon() }
  }

  readonly #say: Progress = (text) => {
    this.#log.append(`${new Date().toISOString()} ${text}\n`)
    this.#onStep(text)
  }
}

interface Plan {
  readonly wanted: readonly WantedEdge[]
  readonly addresses: Addresses
  readonly readyTimeoutMs: number
}

interface PreparedRegion {
  readonly region: string
  /** Where its callers find it. */
  readonly address: { readonly host: string; readonly port: number }
  readonly scheme: Scheme
  readonly start: StartEdge<EdgeProcess>
}

/** An edge listens for its supervisor only: its callers' connections are handed to it. */
function edgeFields({ nats }: RegionPorts, seedFile: string): EdgeFields {
  return [
    [['http', 'host'], '127.0.0.1'],
    [['http', 'port'], 0],
    [['cluster', 'nats'], { servers: [`nats://127.0.0.1:${nats}`], nkey_seed_file: seedFile }],
  ]
}

function urlOf({ scheme, address }: Region): string {
  return `${scheme}://${address}`
}

function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}

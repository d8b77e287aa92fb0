import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCli, type CliProcess } from './cli.ts'
import { startDelayingProxy, type DelayingProxy } from './delaying-proxy.ts'
import { startNatsRegions, type NatsServer } from './nats.ts'
import { startPostgres, type PostgresServer } from './postgres.ts'

export const regions = ['us', 'eu', 'ap'] as const
export type Region = (typeof regions)[number]

/** One way, in milliseconds. */
const delaysMs: Record<string, number> = { 'us eu': 40, 'us ap': 75, 'eu ap': 110 }
const storeRegion: Region = 'us'
const hashKey = '0123456789abcdef0123456789abcdef'

export interface RegionsOptions {
  /** `one region` (default): the others reach the store through a delaying proxy. `every region`: it is near to all. */
  readonly storeIn?: 'one region' | 'every region'
}

/**
 * Three regions on one machine: an edge process, a NATS server and a way to PostgreSQL in each. The NATS servers are joined by
 * gateways through delaying proxies, and the store stands in one region, so that the others reach it through one.
 */
export class Regions {
  readonly nats: Map<string, NatsServer>
  readonly postgres: PostgresServer
  readonly #proxies: Proxies
  readonly #edges = new Map<Region, { process: CliProcess; url: string }>()
  readonly #directory: string
  readonly #storeIn: RegionsOptions['storeIn']
  #limits: string

  private constructor(parts: {
    nats: Map<string, NatsServer>
    postgres: PostgresServer
    proxies: Proxies
    directory: string
    limits: string
    storeIn: RegionsOptions['storeIn']
  }) {
    this.nats = parts.nats
    this.postgres = parts.postgres
    this.#proxies = parts.proxies
    this.#directory = parts.directory
    this.#limits = parts.limits
    this.#storeIn = parts.storeIn
  }

  /** All of it, running. `limits` is that part of the configuration, in YAML. */
  static async start(limits: string, { storeIn }: RegionsOptions = {}): Promise<Regions> {
    const postgres = await startPostgres()
    const proxies = new Proxies()
    const nats = await startNatsRegions(regions, (from, to, port) => proxies.between(from, to, port))
    const directory = await mkdtemp(join(tmpdir(), 'openclaw-regions-'))
    const all = new Regions({ nats, postgres, proxies, directory, limits, storeIn })
    try {
      await Promise.all(regions.map((region) => all.startEdge(region)))
    } catch (error) {
      await all.stop()
      throw error
    }
    return all
  }

  url(region: Region): string {
    return this.#edges.get(region)!.url
  }

  edge(region: Region): CliProcess {
    return this.#edges.get(region)!.process
  }

  async startEdge(region: Region): Promise<void> {
    const process = await this.spawnEdge(region)
    const [, url] = await process.waitFor(/"listening":"(http:[^"]+)"/)
    this.#edges.set(region, { process, url: url! })
  }

  /** Starts a process, and doesn't wait for it to serve. */
  async spawnEdge(region: Region): Promise<CliProcess> {
    const file = await this.#writeConfig(region)
    const storeUrl = new URL(this.postgres.url)
    if (region !== storeRegion && this.#storeIn !== 'every region')
      storeUrl.port = String(await this.#proxies.between(region, storeRegion, Number(storeUrl.port)))
    return startCli(['serve', '--config', file, '--region', region], {
      env: { RATING_DB_URL: storeUrl.href, OPENCLAW_HASH_KEY: hashKey },
    })
  }

  /** Gives the edges other limits; they take them over a little later. */
  async setLimits(limits: string): Promise<void> {
    this.#limits = limits
    await Promise.all(regions.map((region) => this.#writeConfig(region)))
  }

  /** No byte passes between the region and others. */
  cut(region: Region): void {
    for (const proxy of this.#proxies.touching(region)) proxy.cut()
  }

  /** As `cut`, but the store is still reached. */
  cutNews(region: Region): void {
    const storePort = Number(new URL(this.postgres.url).port)
    for (const proxy of this.#proxies.touching(region, storePort)) proxy.cut()
  }

  heal(region: Region): void {
    for (const proxy of this.#proxies.touching(region)) proxy.heal()
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#edges.values()].map(({ process }) => process.stop('SIGKILL')))
    await Promise.all([...this.nats.values()].map((server) => server.stop()))
    await this.postgres.stop()
    await this.#proxies.close()
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #writeConfig(region: Region): Promise<string> {
    const { url } = this.nats.get(region)!
    const file = join(this.#directory, `${region}.yaml`)
    const rest = `http: { port: 0 }\ncluster: { nats: { servers: ["${url}"] } }\nstore: { connect_timeout: 2s, statement_timeout: 2s }`
    await writeFile(file, `${this.#limits}\n${rest}\n`)
    return file
  }
}

class Proxies {
  readonly #proxies = new Map<
    string,
    { from: string; to: string; targetPort: number; proxy: DelayingProxy }
  >()

  /** The port by which one region reaches a port of another. */
  async between(from: string, to: string, targetPort: number): Promise<number> {
    const key = `${from} ${to} ${targetPort}`
    let entry = this.#proxies.get(key)
    if (!entry) {
      const delayMs = delaysMs[`${from} ${to}`] ?? delaysMs[`${to} ${from}`]!
      entry = { from, to, targetPort, proxy: await startDelayingProxy({ targetPort, delayMs }) }
      this.#proxies.set(key, entry)
    }
    return entry.proxy.port
  }

  touching(region: Region, exceptPort?: number): DelayingProxy[] {
    return [...this.#proxies.values()]
      .filter(({ from, to, targetPort }) => (from === region || to === region) && targetPort !== exceptPort)
      .map(({ proxy }) => proxy)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#proxies.values()].map(({ proxy }) => proxy.close()))
  }
}

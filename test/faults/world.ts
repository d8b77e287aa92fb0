import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { startCli, type CliProcess } from '../support/cli.ts'
import { startDelayingProxy, type DelayingProxy } from '../support/delaying-proxy.ts'
import { startNats, type NatsServer } from '../support/nats.ts'
import { startPostgres, type PostgresServer } from '../support/postgres.ts'

interface EdgeProcess {
  readonly process: CliProcess
  readonly url: string
  /** Its way to the store. */
  readonly way: DelayingProxy
}

const edgesOf = [
  ['us', 0],
  ['us', 1],
  ['eu', 0],
] as const
const diskBytes = 96 * 1024 * 1024

/** Three edges in two regions, each on a way of its own to PostgreSQL, whose tables lie on a small disk; and NATS. */
export class FaultWorld {
  readonly postgres: PostgresServer
  readonly nats: NatsServer
  readonly edges: EdgeProcess[] = []
  readonly #directory: string
  readonly #disk: string
  readonly #storeUrl: string
  readonly #connection: NatsConnection
  readonly #streams: JetStreamManager

  private constructor(parts: {
    postgres: PostgresServer
    nats: NatsServer
    directory: string
    disk: string
    storeUrl: string
    connection: NatsConnection
    streams: JetStreamManager
  }) {
    this.postgres = parts.postgres
    this.nats = parts.nats
    this.#directory = parts.directory
    this.#disk = parts.disk
    this.#storeUrl = parts.storeUrl
    this.#connection = parts.connection
    this.#streams = parts.streams
  }

  static async start(): Promise<FaultWorld> {
    const [server, nats] = await Promise.all([startPostgres(), startNats()])
    const directory = await mkdtemp(join(tmpdir(), 'openclaw-faults-'))
    const disk = await mkdtemp(join(tmpdir(), 'openclaw-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', disk])
    const storeUrl = await server.createDatabase(disk)
    const connection = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 })
    const streams = await jetstreamManager(connection, { checkAPI: false })
    const world = new FaultWorld({ postgres: server, nats, directory, disk, storeUrl, connection, streams })
    await Promise.all(edgesOf.map(([region, ordinal]) => world.#startEdge(region, ordinal)))
    return world
  }

  /** Leaves no room for the tables to grow. */
  async fillDisk(): Promise<void> {
    const full = await writeFile(join(this.#disk, 'filler'), Buffer.alloc(diskBytes)).catch(
      (error: unknown) => error,
    )
    if (!(full instanceof Error) || !full.message.includes('ENOSPC')) throw new Error('the disk is not full')
  }

  async emptyDisk(): Promise<void> {
    await rm(join(this.#disk, 'filler'), { force: true })
  }

  /** @throws {Error} with its words, if an edge has ended, or did not expect an error. */
  requireHealthyEdges(): void {
    for (const { process, url } of this.edges) {
      const output = process.output()
      if (process.hasEnded()) throw new Error(`the edge at ${url} ended:\n${output.slice(-3000)}`)
      const failure = /.*"msg":"a request failed".*/.exec(output)
      if (failure) throw new Error(`the edge at ${url} failed: ${failure[0].slice(0, 3000)}`)
    }
  }

  /** Ratings that wait in the regions' queues. */
  async queued(): Promise<number> {
    let messages = 0
    for await (const { config, state } of this.#streams.streams.list())
      if (config.name.endsWith('_ratings')) messages += state.messages
    return messages
  }

  /** Runs with a connection to the store that no fault is on. */
  async withStore<T>(run: (sql: postgres.Sql) => Promise<T>): Promise<T> {
    const sql = postgres(this.#storeUrl, { max: 1, onnotice: () => {} })
    try {
      return await run(sql)
    } finally {
      await sql.end({ timeout: 1 })
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.edges.map(({ process }) => process.stop('SIGKILL')))
    await Promise.all(this.edges.map(({ way }) => way.close()))
    await this.#connection.close()
    await this.nats.stop()
    await this.postgres.stop()
    execFileSync('umount', [this.#disk])
    await rm(this.#disk, { recursive: true, force: true })
    await rm(this.#directory, { recursive: true, force: true })
  }

  async #startEdge(region: string, ordinal: number): Promise<void> {
    const storeUrl = new URL(this.#storeUrl)
    const way = await startDelayingProxy({ targetPort: Number(storeUrl.port), delayMs: 0 })
    storeUrl.port = String(way.port)
    const file = join(this.#directory, `${region}-${ordinal}.yaml`)
    const share = '{ capacity: 1000000, refill_per_sec: 1000000 }'
    await writeFile(
      file,
      `token_buckets: { us: ${share}, eu: ${share} }
http: { port: 0 }
cluster: { nats: { servers: ["${this.nats.url}"] } }
store: { connect_timeout: 1s, statement_timeout: 1s }
`,
    )
    const process = startCli(['serve', '--config', file, '--region', region, '--ordinal', String(ordinal)], {
      env: { RATING_DB_URL: storeUrl.href, OPENCLAW_HASH_KEY: '0123456789abcdef0123456789abcdef' },
    })
    const [, url] = await process.waitFor(/"listening":"(http:[^"]+)"/)
    this.edges.push({ process, url: url!, way })
  }
}

import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { findPostgres } from '../../src/deploy/local/postgres-cluster.ts'
import { findOrInstall } from './debian.ts'
import { freePort } from './free-port.ts'

/** A PostgreSQL server of its own: a new cluster in a temporary directory, on a free loopback port, durable as by default. */
export interface PostgresServer {
  /** Of its database `postgres`. */
  readonly url: string
  /** Ends it and removes its files. */
  stop(): Promise<void>
  /** Ends it and all its processes, as a machine that fails would, or by a signal to it; `restart` brings it back. */
  kill(signal?: 'SIGKILL' | 'SIGQUIT'): Promise<void>
  restart(): Promise<void>
  /** A new, empty database, in a directory of its own if one is given; answers its URL. */
  createDatabase(place?: string): Promise<string>
  /** Another server that replays this one's log. */
  startReplica(): Promise<PostgresServer>
}

const startTimeoutMs = 60_000
let databases = 0

export function startPostgres(): Promise<PostgresServer> {
  const initdb = ['--auth=trust', '--encoding=UTF8', '--no-locale', '--no-sync']
  return startOn((bin, data) => [join(bin, 'initdb'), ['-D', data, '-U', 'postgres', ...initdb]])
}

/** Makes a server's files by a command, and starts it. */
async function startOn(make: (bin: string, data: string) => [string, string[]]): Promise<PostgresServer> {
  const bin = findBinaries()
  const directory = mkdtempSync(join(tmpdir(), 'openclaw-postgres-'))
  const data = join(directory, 'data')
  chmodSync(directory, 0o777)
  const port = await freePort()
  execFileSync(...unprivileged(...make(bin, data)), { stdio: 'ignore' })
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  // A replica that lost its primary looks for it again soon.
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'wal_retrieve_retry_interval=100ms',
  ].flatMap((one) => ['-c', one])
  const options = ['-D', data, '-p', String(port), ...settings]
  let child: ChildProcess | undefined

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    // The postmaster: the child itself, or what it runs in another user's name.
    const pid = Number(execFileSync('head', ['-1', join(data, 'postmaster.pid')], { encoding: 'utf8' }))
    const children = childrenOf(pid)
    process.kill(pid, signal)
    await exit
    // They would go on for a while without it, and write while the next one starts.
    for (const one of children) await killed(one)
  }
  const restart = async (): Promise<void> => {
    if (existsSync(join(data, 'postmaster.pid'))) rmSync(join(data, 'postmaster.pid'))
    child = spawn(...unprivileged(join(bin, 'postgres'), options), { stdio: 'ignore' })
    await untilReady(url, child)
  }
  await restart()
  return {
    url,
    restart,
    kill: (signal = 'SIGKILL') => end(signal),
    stop: async () => {
      await end('SIGINT')
      rmSync(directory, { recursive: true, force: true })
    },
    createDatabase: async (place) => {
      const name = `test_${++databases}`
      const sql = postgres(url, { max: 1, onnotice: () => {} })
      if (place !== undefined) {
        execFileSync('chmod', ['777', place])
        if (process.getuid?.() === 0) execFileSync('chown', ['postgres', place])
        await sql.unsafe(`create tablespace ${name} location '${place}'`)
      }
      await sql.unsafe(`create database ${name} ${place === undefined ? '' : `tablespace ${name}`}`)
      await sql.end()
      return url.replace(/postgres$/, name)
    },
    startReplica: () =>
      startOn((_bin, to) => [
        join(bin, 'pg_basebackup'),
        ['-D', to, '-d', url, '--write-recovery-conf', '--checkpoint=fast'],
      ]),
  }
}

/** Of a process on Linux; elsewhere nobody knows. */
function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8').trim().split(' ').filter(Boolean).map(Number)
}

/** Kills a process, and resolves when it is gone. */
async function killed(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Resolves when the server answers. */
async function untilReady(url: string, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + startTimeoutMs
  for (;;) {
    const sql = postgres(url, { max: 1, connect_timeout: 1, onnotice: () => {} })
    try {
      await sql`select 1`
      return
    } catch (error) {
      if (child.exitCode !== null || performance.now() > deadline) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    } finally {
      await sql.end({ timeout: 1 })
    }
  }
}

/** PostgreSQL refuses to run as root: then another user runs it. */
function unprivileged(command: string, args: string[]): [string, string[]] {
  if (process.getuid?.() !== 0) return [command, args]
  return ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', command, ...args]]
}

/** Where PostgreSQL's programs are; on Debian they are installed if they are nowhere. */
function findBinaries(): string {
  return findOrInstall('PostgreSQL', ['postgresql'], findPostgres)
}

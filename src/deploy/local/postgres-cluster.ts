import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Addresses } from '../addresses.ts'
import { layout } from './layout.ts'
import { ServerProcess, type ServerOptions } from './server-process.ts'

/** The store that a deployment without a database URL would get is not to be had. */
export class NoStoreError extends Error {
  override readonly name = 'NoStoreError'
}

const run = promisify(execFile)

/** The directory of PostgreSQL's programs, the newest version first; undefined if there is none. */
export function findPostgres(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : []
  const places = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
  ]
  return places.find((place) => existsSync(join(place, 'initdb')) && existsSync(join(place, 'postgres')))
}

export function postgresUrl({ postgres, postgresPassword }: Addresses): string {
  return `postgres://rating:${postgresPassword}@127.0.0.1:${postgres}/postgres`
}

/** A PostgreSQL server of the project's own, with its data in the project; on loopback, with a password. @throws {NoStoreError} */
export async function startPostgres(projectDir: string, options: ServerOptions): Promise<ServerProcess> {
  const { addresses } = options
  const bin = findPostgres()
  if (bin === undefined)
    throw new NoStoreError(
      'there is no database URL, and no PostgreSQL on this machine to start one: give --env RATING_DB_URL=postgres://…, or install PostgreSQL (Debian: apt-get install postgresql)',
    )
  const places = layout(projectDir)
  const data = join(places.postgres, 'data')
  if (!existsSync(join(data, 'PG_VERSION'))) await makeCluster(bin, places.postgres, addresses)
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', logging_collector: 'off' }
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const [program, ...rest] = unprivileged(join(bin, 'postgres'), [
    '-D',
    data,
    '-p',
    String(addresses.postgres),
    ...args,
  ])
  return ServerProcess.start({
    name: 'PostgreSQL',
    program,
    args: rest,
    logFile: places.log('postgres'),
    isReady: async () => {
      await run(join(bin, 'pg_isready'), ['-q', '-h', '127.0.0.1', '-p', String(addresses.postgres)])
      return true
    },
    stopSignal: 'SIGINT',
    onEvent: options.onEvent,
    onRestart: options.onRestart,
  })
}

async function makeCluster(bin: string, directory: string, { postgresPassword }: Addresses): Promise<void> {
  await rm(directory, { recursive: true, force: true })
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const passwordFile = join(directory, 'password')
  await writeFile(passwordFile, postgresPassword, { mode: 0o600 })
  const owner = otherUser()
  if (owner) {
    // PostgreSQL doesn't run as root; the one who runs it has to get here.
    await chmod(dirname(directory), 0o711)
    for (const path of [directory, passwordFile]) await chown(path, owner.uid, owner.gid)
  }
  const [program, ...args] = unprivileged(join(bin, 'initdb'), [
    '-D',
    join(directory, 'data'),
    '-U',
    'rating',
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    '--no-locale',
  ])
  try {
    await run(program, args)
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    const reason = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error)
    const hint = owner ? ' (as root PostgreSQL runs as the user postgres, who has to get to the project)' : ''
    throw new NoStoreError(`PostgreSQL could not make its files in ${directory}${hint}: ${reason.trim()}`)
  } finally {
    await rm(passwordFile, { force: true })
  }
}

interface User {
  readonly uid: number
  readonly gid: number
}

/** Who runs PostgreSQL in place of root; undefined if this process isn't root's. */
function otherUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined
  const user = { uid: idOfPostgres('-u'), gid: idOfPostgres('-g') }
  if (user.uid > 0) return user
  throw new NoStoreError('PostgreSQL does not run as root, and there is no user postgres to run it')
}

function idOfPostgres(option: '-u' | '-g'): number {
  return Number(spawnSync('id', [option, 'postgres'], { encoding: 'utf8' }).stdout)
}

function unprivileged(program: string, args: readonly string[]): [string, ...string[]] {
  const user = otherUser()
  if (!user) return [program, ...args]
  return ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', program, ...args]
}

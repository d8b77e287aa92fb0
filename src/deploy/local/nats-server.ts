import { spawnSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../project.ts'
import type { Addresses } from '../addresses.ts'
import { layout } from './layout.ts'
import { natsConfig } from '../nats-config.ts'
import { ServerProcess, type ServerOptions } from './server-process.ts'

/** The version of the nats-server that is installed; undefined if none is. */
export function installedNats(): string | undefined {
  const { stdout, error } = spawnSync('nats-server', ['--version'], { encoding: 'utf8' })
  return error ? undefined : stdout.trim()
}

/** Writes what the server of a region is configured by, and answers it. */
export async function writeNatsFiles(
  projectDir: string,
  region: string,
  { regions, natsPassword: password, natsUser }: Addresses,
): Promise<string> {
  const directory = layout(projectDir).nats(region)
  const storeDir = join(directory, 'store')
  await mkdir(storeDir, { recursive: true, mode: 0o700 })
  const ports = regions[region]
  if (!ports) throw new Error(`${region} has no ports`)
  const others = Object.entries(regions).filter(([name]) => name !== region)
  const gateways = Object.fromEntries(
    others.map(([name, { natsGateway }]) => [name, `127.0.0.1:${natsGateway}`]),
  )
  const text = natsConfig({
    region,
    host: '127.0.0.1',
    ports,
    gateways,
    storeDir,
    password,
    user: natsUser.publicKey,
  })
  await replaceFile(layout(projectDir).natsSeed, natsUser.seed, 0o600)
  await replaceFile(join(directory, 'nats.conf'), text, 0o600)
  return text
}

/** Starts a region's server; ready when JetStream is, for which a majority of the regions' servers has to run. */
export function startNats(
  projectDir: string,
  region: string,
  options: ServerOptions,
): Promise<ServerProcess> {
  const { addresses } = options
  const places = layout(projectDir)
  const monitor = addresses.regions[region]?.natsMonitor
  return ServerProcess.start({
    name: `nats-server of ${region}`,
    program: 'nats-server',
    args: ['--config', join(places.nats(region), 'nats.conf')],
    logFile: places.log(`nats-${region}`),
    isReady: async () => (await fetch(`http://127.0.0.1:${monitor}/healthz`)).ok,
    stopSignal: 'SIGTERM',
    onEvent: options.onEvent,
    onRestart: options.onRestart,
  })
}

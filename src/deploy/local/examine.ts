import { statfs } from 'node:fs/promises'
import { freemem } from 'node:os'
import { probeReady } from '../probe.ts'
import type { WantedEdge } from '../project.ts'
import type { Release } from '../releases.ts'
import { sizes } from '../sizes.ts'
import type { Finding } from '../target.ts'
import { installedNats } from './nats-server.ts'
import { findPostgres } from './postgres-cluster.ts'
import type { SupervisorState } from './supervisor.ts'

const mebi = 1024 * 1024
const diskMiBMin = 1024

interface Deployment {
  readonly edges: readonly WantedEdge[]
  /** What was deployed last with success. */
  readonly live: Release | undefined
  /** Undefined while no supervisor runs. */
  readonly state: SupervisorState | undefined
}

/** Looks at this machine and at what the project runs on it. */
export async function examineLocal(projectDir: string, deployment: Deployment): Promise<Finding[]> {
  return [...machine(deployment.edges), await disk(projectDir), ...(await running(deployment))]
}

function machine(edges: readonly WantedEdge[]): Finding[] {
  const nats = installedNats()
  const postgres = findPostgres()
  const wantedMiB = edges.reduce((sum, { size }) => sum + sizes[size].memoryMiB, 0)
  const freeMiB = Math.floor(freemem() / mebi)
  return [
    nats === undefined
      ? problem('nats-server', 'not installed', 'install it (Debian: apt-get install nats-server)')
      : ok('nats-server', nats),
    postgres === undefined
      ? warning('PostgreSQL', 'not installed', 'deploy with --env RATING_DB_URL=postgres://…, or install it')
      : ok('PostgreSQL', postgres),
    wantedMiB > freeMiB
      ? warning('memory', `${freeMiB} MiB are free, the edges may use ${wantedMiB}`, 'provision smaller ones')
      : ok('memory', `${freeMiB} MiB are free, the edges may use ${wantedMiB}`),
  ]
}

async function disk(projectDir: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(projectDir)
  const freeMiB = Math.floor((bavail * bsize) / mebi)
  const detail = `${freeMiB} MiB are free`
  return freeMiB < diskMiBMin
    ? warning('disk', detail, 'make room: logs and ratings are kept here')
    : ok('disk', detail)
}

async function running({ edges, live, state }: Deployment): Promise<Finding[]> {
  if (edges.length === 0)
    return [warning('edges', 'none is provisioned', 'openclaw edge provision --region REGION')]
  const isRunning = state !== undefined && state.regions.length > 0
  if (!isRunning && live)
    return [
      problem(
        'deployment',
        `release ${live.number} was live, and its supervisor does not run`,
        `openclaw deploy --image ${live.image}`,
      ),
    ]
  if (!isRunning)
    return [
      warning('deployment', 'nothing runs', 'openclaw deploy --image IMAGE --config token_buckets.yaml'),
    ]
  const regions = edges.map(async ({ region }): Promise<Finding> => {
    const found = state.regions.find((one) => one.region === region)
    if (!found) return warning(region, 'provisioned, but not deployed', 'openclaw deploy')
    const { isReady, heard, reason } = await probeReady(found.url)
    const detail = `${found.url}, restarted ${found.restarts} times`
    if (!isReady) return problem(region, `${detail}: ${reason}`, `openclaw logs --region ${region}`)
    if (heard < edges.length - 1)
      return warning(region, `${detail}: hears ${heard} of ${edges.length - 1} others`, 'openclaw logs')
    return found.restarts > 0
      ? warning(region, detail, `openclaw logs --region ${region}`)
      : ok(region, detail)
  })
  const servers = state.servers.map(({ name, restarts }) =>
    restarts > 0 ? warning(name, `restarted ${restarts} times`, 'see .openclaw/logs') : ok(name, 'runs'),
  )
  return [ok('deployment', `release ${state.release}`), ...(await Promise.all(regions)), ...servers]
}

function ok(about: string, detail: string): Finding {
  return { about, state: 'ok', detail }
}

function warning(about: string, detail: string, advice: string): Finding {
  return { about, state: 'warning', detail, advice }
}

function problem(about: string, detail: string, advice: string): Finding {
  return { about, state: 'problem', detail, advice }
}

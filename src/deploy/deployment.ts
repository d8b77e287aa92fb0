import { readFile } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import type { EdgeConfig } from '../config/edge-config.ts'
import { readConfig } from './config-check.ts'
import { readEdges, type EdgeAddress } from './edges-file.ts'
import { hasSection } from './edge-yaml.ts'
import { changeEnvironment, type EdgeEnvironment } from './environment.ts'
import { probeReady } from './probe.ts'
import { readProject, type Project } from './project.ts'
import { digests, Releases, type Release, type ReleaseContents } from './releases.ts'
import type { RolloutOptions, Target } from './target.ts'

/** The project or the machine isn't ready for a deploy; the message has a line for each reason. */
export class NotDeployableError extends Error {
  override readonly name = 'NotDeployableError'
}

export interface DeployRequest {
  readonly projectDir: string
  readonly image: string
  readonly configFile: string
  readonly setEnv: readonly string[]
  readonly unsetEnv: readonly string[]
  readonly callerEnv: NodeJS.ProcessEnv
}

/** What a deploy will do, and what of it is new. */
export interface DeployPlan {
  readonly contents: ReleaseContents
  readonly key: string
  readonly regions: readonly string[]
  readonly changes: {
    readonly image: boolean
    readonly config: boolean
    readonly env: boolean
  }
  readonly warnings: readonly string[]
}

export interface Deployed {
  readonly release: Release
  readonly edges: readonly EdgeAddress[]
}

/** Image references: at most 512 characters without spaces. */
const imagePattern = /^[\w.\-/:@+]{1,512}$/

/** Checks a deploy, and changes nothing. @throws {NotDeployableError} @throws {InvalidConfigError} @throws {EnvironmentError} */
export async function planDeploy(target: Target, request: DeployRequest): Promise<DeployPlan> {
  const { projectDir, image, configFile } = request
  const project = await readProject(projectDir)
  if (project.edges.length === 0)
    throw new NotDeployableError('no edges are provisioned: openclaw edge provision --region REGION …')
  if (!imagePattern.test(image))
    throw new NotDeployableError(
      `--image ${JSON.stringify(image.slice(0, 80))} is not allowed; allowed: an image reference such as registry.example.com/rating:1.2`,
    )
  const releases = new Releases(projectDir)
  const before = await lastContents(releases)
  const changes = { set: request.setEnv, unset: request.unsetEnv }
  const env = changeEnvironment(before?.env ?? {}, changes, request.callerEnv)
  const key = await target.hashKey()
  const text = await readText(resolve(projectDir, configFile), configFile)
  const config = readConfig(text, { file: configFile, env: { OPENCLAW_HASH_KEY: key, ...env } })
  const contents = { image, config: text, env }
  await check(target, project, { config, file: configFile, text, env })
  return {
    contents,
    key,
    regions: project.edges.map(({ region }) => region),
    changes: whatChanges(before, contents, key),
    warnings: [...warningsOf(config, project, env), ...(await versionWarnings(projectDir))],
  }
}

/** Makes a release of a plan, and rolls it out. @throws {RolloutError} */
export async function deploy(
  target: Target,
  projectDir: string,
  plan: DeployPlan,
  options: RolloutOptions & { readonly rollbackTo?: number },
): Promise<Deployed> {
  const { rollbackTo } = options
  const releases = new Releases(projectDir)
  const release = await releases.create(plan.contents, {
    key: plan.key,
    now: new Date(),
    ...(rollbackTo !== undefined && { rollbackTo }),
  })
  options.onProgress(`release ${release.number}: ${release.image}`)
  const edges = await target.rollOut(release, options)
  return { release: await releases.read(release.number), edges }
}

/** A plan to go back to an earlier release. @throws {ReleaseError} */
export async function planRollback(
  target: Target,
  { projectDir, to }: { projectDir: string; to: number | undefined },
): Promise<DeployPlan & { readonly rollbackTo: number }> {
  const releases = new Releases(projectDir)
  const { number } = await releases.rollbackTarget(to)
  const project = await readProject(projectDir)
  const contents = await releases.contents(number)
  const key = await target.hashKey()
  const file = `release ${number}`
  const config = readConfig(contents.config, { file, env: { OPENCLAW_HASH_KEY: key, ...contents.env } })
  await check(target, project, { config, file, text: contents.config, env: contents.env })
  return {
    contents,
    key,
    regions: project.edges.map(({ region }) => region),
    changes: whatChanges(await lastContents(releases), contents, key),
    warnings: [...warningsOf(config, project, contents.env), ...(await versionWarnings(projectDir))],
    rollbackTo: number,
  }
}

async function check(
  target: Target,
  { edges }: Project,
  { config, file, text, env }: { config: EdgeConfig; file: string; text: string; env: EdgeEnvironment },
): Promise<void> {
  const unknown = edges.filter(({ region }) => !config.regions.includes(region))
  const problems = [
    ...unknown.map(
      ({ region }) =>
        `${file}: the region ${region} is provisioned, and has no share of any limit; allowed: ${config.regions.join(', ')}`,
    ),
    ...(await target.missing(edges, {
      config,
      hasStore: config.store.url !== null,
      saysWhoMayCall: hasSection(text, 'auth'),
      env,
    })),
  ]
  if (problems.length > 0) throw new NotDeployableError(problems.join('\n'))
}

function warningsOf(config: EdgeConfig, { edges }: Project, env: EdgeEnvironment): string[] {
  const places = new Set(edges.map(({ region }) => region))
  const absent = config.regions.filter((region) => !places.has(region))
  return [
    ...absent.map((region) => `the region ${region} has a share, and no edge is provisioned there`),
    ...(config.store.url === null && env['RATING_DB_URL'] === undefined
      ? ['there is no RATING_DB_URL: ratings are kept in a database of the deployment, which destroy deletes']
      : []),
  ]
}

/** Limits that were put in force by `config apply` outlive a deploy. */
async function versionWarnings(projectDir: string): Promise<string[]> {
  const [edge] = await readEdges(projectDir)
  const version = edge ? (await probeReady(edge.url)).limitsVersion : 0
  if (version === 0) return []
  return [
    `version ${version} of the limits stays in force, whatever the file says: openclaw config apply FILE puts others in force, openclaw config history shows them`,
  ]
}

/** Of the release that runs, or else of the last one: its environment goes on into the next. */
async function lastContents(releases: Releases): Promise<ReleaseContents | undefined> {
  const last = (await releases.live()) ?? (await releases.list()).at(-1)
  return last && releases.contents(last.number)
}

function whatChanges(
  before: ReleaseContents | undefined,
  after: ReleaseContents,
  key: string,
): DeployPlan['changes'] {
  const [was, is] = [before && digests(before, key), digests(after, key)]
  return {
    image: before?.image !== after.image,
    config: was?.configDigest !== is.configDigest,
    env: was?.envDigest !== is.envDigest,
  }
}

async function readText(path: string, shown: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new NotDeployableError(`--config ${shown} (${basename(path)}) can't be read (${code})`)
  }
}

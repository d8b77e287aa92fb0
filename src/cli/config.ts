import { readFile } from 'node:fs/promises'
import { diffConfigs, type ConfigDifference } from '../deploy/config-diff.ts'
import { readConfig } from '../deploy/config-check.ts'
import { Releases } from '../deploy/releases.ts'
import { outputOf } from './output.ts'
import { openProject } from './project.ts'
import { UsageError } from './fail.ts'

interface JsonOption {
  readonly json?: boolean
}

/** `openclaw config validate`: every mistake of a file, with its place. @throws {InvalidConfigError} */
export async function validateConfig(file: string, options: JsonOption): Promise<void> {
  const config = readConfig(await text(file), { file, env: process.env })
  const limits = config.limits.map(({ name, mode }) => ({ name, mode }))
  outputOf(options).result(
    { valid: true, file, regions: config.regions, limits },
    `${file} is valid: ${limits.map(({ name, mode }) => `${name} (${mode})`).join(', ')} in ${config.regions.join(', ')}`,
  )
}

/** `openclaw config diff`: what a file would change in what is deployed. */
export async function diffConfig(file: string, options: JsonOption): Promise<void> {
  const { projectDir, target } = await openProject()
  const releases = new Releases(projectDir)
  const live = await releases.live()
  if (!live) throw new UsageError('nothing is deployed that the file could differ from')
  const { config, env } = await releases.contents(live.number)
  const edgeEnv = { OPENCLAW_HASH_KEY: await target.hashKey(), ...env }
  const before = readConfig(config, { file: `release ${live.number}`, env: edgeEnv })
  const after = readConfig(await text(file), { file, env: edgeEnv })
  const difference = diffConfigs(before, after)
  outputOf(options).result({ release: live.number, ...difference }, show(difference, live.number))
}

function show({ limits, credentials, logLevel, needRestart }: ConfigDifference, release: number): string {
  const lines = [
    ...limits.flatMap(({ limit, change, effects }) => [
      `limit ${limit} is ${change}`,
      ...effects.map((effect) => `  ${effect}`),
    ]),
    ...credentials.map((field) => `${field} changes`),
    ...(logLevel ? [`log.level ${logLevel[0]} → ${logLevel[1]}`] : []),
    ...needRestart.map((field) => `${field} changes, with new processes`),
  ]
  return lines.length > 0 ? lines.join('\n') : `nothing changes against release ${release}`
}

async function text(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new UsageError(`${file} can't be read (${code})`)
  }
}

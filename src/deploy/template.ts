import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { projectFile, type TargetName } from './project.ts'

export const templates = ['rating-api-edge'] as const

/** There is no room for a new project, or none of that kind. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError'
}

export interface NewProject {
  readonly directory: string
  readonly files: readonly string[]
  /** Whether a repository was made. */
  readonly git: boolean
}

const alertsFile = join('alerts', 'openclaw-alerts.yaml')

/** Makes a project from a template, in a directory that is new or empty. @throws {TemplateError} */
export async function initProject(
  directory: string,
  { template, target, dryRun }: { template: string; target: TargetName; dryRun: boolean },
): Promise<NewProject> {
  if (!templates.some((known) => known === template))
    throw new TemplateError(
      `--template ${JSON.stringify(template)} is not allowed; allowed: ${templates.join(', ')}`,
    )
  const there = await readdir(directory).catch(() => [])
  if (there.length > 0)
    throw new TemplateError(`${directory} is not empty: name a directory that is new or empty`)
  const root = packageRoot()
  const alerts = join(root, 'deploy', 'observability', alertsFile)
  const texts: Record<string, string> = {
    [projectFile]: projectText(nameOf(directory), target),
    'token_buckets.yaml': await readFile(join(root, 'token_buckets.yaml'), 'utf8'),
    '.gitignore': '# What runs, with its logs and secrets.\n.openclaw/\n',
    'README.md': readmeText(nameOf(directory)),
  }
  const files = [...Object.keys(texts), ...(existsSync(alerts) ? [alertsFile] : [])]
  if (dryRun) return { directory, files, git: false }
  for (const [name, text] of Object.entries(texts)) await write(join(directory, name), text)
  if (existsSync(alerts)) {
    await mkdir(join(directory, 'alerts'))
    await copyFile(alerts, join(directory, alertsFile))
  }
  return { directory, files, git: initRepository(directory) }
}

/** The directory of this package. */
function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(directory, 'token_buckets.yaml'))) directory = dirname(directory)
  return directory
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}

/** A repository of its own, unless the project lies in one. */
function initRepository(directory: string): boolean {
  const git = (...args: string[]): boolean =>
    spawnSync('git', args, { cwd: directory, stdio: 'ignore' }).status === 0
  if (git('rev-parse', '--is-inside-work-tree')) return false
  return git('init', '--quiet')
}

function nameOf(directory: string): string {
  const name = basename(resolve(directory))
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^-+/g, '')
    .slice(0, 63)
  return name === '' ? 'ratings' : name
}

function projectText(name: string, target: TargetName): string {
  return `# What this project wants to run, and where: openclaw edge provision and openclaw deploy go by it.
name: ${name}
target: ${target}
edges: []
${target === 'kubernetes' ? kubernetesText : ''}`
}

const kubernetesText = `
# {region} stands for the region.
kubernetes:
  context: '{region}' # of kubectl
  namespace: openclaw
  url: https://{region}.api.example.com
  nats_leaf_url: tls://nats.{region}.internal.example.com:7422
  jetstream_domain: hub
`

function readmeText(name: string): string {
  return `# ${name}

A ratings API in several regions, whose rate limits hold across all of them.

- \`token_buckets.yaml\`: each region's share of the limit
- \`openclaw.yaml\`: where edges run
- \`alerts/\`: alerting rules for Prometheus
- \`.openclaw/\`: what runs, with its logs and secrets; not for version control

\`\`\`sh
openclaw edge provision --region us-east-1 --region eu-central-1 --region ap-southeast-2 --size medium
openclaw deploy --image registry.example.com/rating:1 --config token_buckets.yaml --env RATING_DB_URL
openclaw status
openclaw logs --follow
openclaw rollback
openclaw destroy
\`\`\`

\`--env NAME\` without a value takes it from your environment, so that a secret need not stand in the shell's history.
\`openclaw doctor\` says what is wrong, and what to do about it.
`
}

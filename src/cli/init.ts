import { join, relative, resolve } from 'node:path'
import type { TargetName } from '../deploy/project.ts'
import { initProject } from '../deploy/template.ts'
import { outputOf } from './output.ts'

interface InitOptions {
  readonly template: string
  readonly target: TargetName
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** `openclaw init`: a new project. */
export async function init(directory: string, options: InitOptions): Promise<void> {
  const { template, target, dryRun = false } = options
  const project = await initProject(resolve(directory), { template, target, dryRun })
  const shown = relative(process.cwd(), project.directory) || '.'
  const lines = project.files.map((file) => `  ${join(shown, file)}`)
  const text = dryRun
    ? ['would write:', ...lines]
    : [
        `${shown} is ready${project.git ? ', with a git repository' : ''}:`,
        ...lines,
        '',
        'Next:',
        `  cd ${shown}`,
        '  openclaw edge provision --region us-east-1 --region eu-central-1 --region ap-southeast-2 --size medium',
      ]
  outputOf(options).result({ ...project, dryRun }, text.join('\n'))
}

import { createInterface } from 'node:readline/promises'
import { runningStack, stopLocalStack } from '../deploy/observability/local-stack.ts'
import { UsageError } from './fail.ts'
import { outputOf } from './output.ts'
import { openProject } from './project.ts'

interface DestroyOptions {
  readonly yes?: boolean
  readonly dryRun?: boolean
  readonly json?: boolean
}

/** `openclaw destroy`: ends all that runs, and deletes what belongs to it. */
export async function destroy(options: DestroyOptions): Promise<void> {
  const { dryRun = false } = options
  const output = outputOf(options)
  const { target, project, projectDir } = await openProject()
  const stack = await runningStack(projectDir)
  const remains = [
    ...(stack ? [`Prometheus (${stack.prometheusUrl}) and Alertmanager, with their data`] : []),
    ...(await target.remains()),
  ]
  const list = remains.map((line) => `  ${line}`).join('\n')
  if (dryRun) return output.result({ dryRun, removed: remains }, `would end and delete:\n${list}`)
  if (remains.length === 0) return output.result({ dryRun, removed: [] }, 'nothing is deployed')
  if (!options.yes) await confirm(project.name, list)
  if (await stopLocalStack(projectDir)) output.step('Prometheus and Alertmanager stop')
  await target.destroy(output.step)
  output.result({ dryRun, removed: remains }, `gone:\n${list}`)
}

async function confirm(name: string, list: string): Promise<void> {
  if (!process.stdin.isTTY)
    throw new UsageError('destroy deletes for good: give --yes where nobody can be asked')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await terminal.question(
    `This ends and deletes for good:\n${list}\nType the project's name (${name}) to go on: `,
  )
  terminal.close()
  if (answer.trim() !== name) throw new UsageError('nothing is deleted')
}

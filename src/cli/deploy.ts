import {
  deploy as deployPlan,
  planDeploy,
  planRollback,
  type Deployed,
  type DeployPlan,
} from '../deploy/deployment.ts'
import { outputOf, type Output } from './output.ts'
import { openProject, type OpenProject } from './project.ts'

interface RolloutOptions {
  readonly readyTimeout: number
  readonly dryRun?: boolean
  readonly json?: boolean
}

interface DeployOptions extends RolloutOptions {
  readonly image: string
  readonly config: string
  readonly env: readonly string[]
  readonly unsetEnv: readonly string[]
}

interface RollbackOptions extends RolloutOptions {
  readonly to?: number
}

/** `openclaw deploy`: a new release, one node after the other. */
export async function deploy(options: DeployOptions): Promise<void> {
  const open = await openProject()
  const plan = await planDeploy(open.target, {
    projectDir: open.projectDir,
    image: options.image,
    configFile: options.config,
    setEnv: options.env,
    unsetEnv: options.unsetEnv,
    callerEnv: process.env,
  })
  await rollOut(open, plan, options)
}

/** `openclaw rollback`: what an earlier release was, as a new one. */
export async function rollback(options: RollbackOptions): Promise<void> {
  const open = await openProject()
  await rollOut(
    open,
    await planRollback(open.target, { projectDir: open.projectDir, to: options.to }),
    options,
  )
}

async function rollOut(
  { target, projectDir, project }: OpenProject,
  plan: DeployPlan & { readonly rollbackTo?: number },
  options: RolloutOptions,
): Promise<void> {
  const output = outputOf(options)
  for (const warning of plan.warnings) output.step(`note: ${warning}`)
  if (options.dryRun) return showPlan(output, plan)
  const { rollbackTo } = plan
  const deployed = await deployPlan(target, projectDir, plan, {
    readyTimeoutMs: options.readyTimeout * 1000,
    onProgress: output.step,
    ...(rollbackTo !== undefined && { rollbackTo }),
  })
  output.result(deployed, summary(deployed, project.target === 'local'))
}

function showPlan(output: Output, plan: DeployPlan & { readonly rollbackTo?: number }): void {
  const { changes, regions, contents, rollbackTo } = plan
  const names = Object.keys(contents.env)
  output.result(
    { dryRun: true, regions, image: contents.image, envNames: names, changes, warnings: plan.warnings },
    [
      `would ${rollbackTo === undefined ? 'deploy' : `go back to release ${rollbackTo}`} in ${regions.join(', ')}, one after the other`,
      `  image          ${contents.image} (${novelty(changes.image)})`,
      `  configuration  ${novelty(changes.config)}`,
      `  environment    ${names.join(', ') || 'none'} (${novelty(changes.env)})`,
    ].join('\n'),
  )
}

function summary({ release, edges }: Deployed, isLocal: boolean): string {
  const width = Math.max(...edges.map(({ replica }) => replica.length))
  return [
    `release ${release.number} is live`,
    ...edges.map(({ replica, url }) => `  ${replica.padEnd(width)}  ${url}/health`),
    ...(isLocal
      ? [
          `${release.image} names the release; on this machine openclaw-edge's own code runs, without an image.`,
        ]
      : []),
  ].join('\n')
}

function novelty(isChanged: boolean): string {
  return isChanged ? 'new' : 'as before'
}

import { exitCodes } from './fail.ts'
import { mark, outputOf } from './output.ts'
import { openProject } from './project.ts'

/** `openclaw doctor`: what is wrong with the machine and the deployment, and what to do. Exit code 1 if there is a problem. */
export async function doctor(options: { readonly json?: boolean }): Promise<void> {
  const { target, project } = await openProject()
  const findings = await target.examine(project.edges)
  const width = Math.max(...findings.map(({ about }) => about.length))
  const lines = findings.map(({ about, state, detail, advice }) => {
    const line = `${mark(state)} ${about.padEnd(width)}  ${detail}`
    return advice === undefined ? line : `${line}\n  ${' '.repeat(width)}  → ${advice}`
  })
  const isWell = findings.every(({ state }) => state !== 'problem')
  outputOf(options).result({ well: isWell, findings }, lines.join('\n'))
  if (!isWell) process.exitCode = exitCodes.failed
}

import type { EdgeCommand } from './local/edge-process.ts'
import { LocalTarget } from './local/local-target.ts'
import type { Project } from './project.ts'
import type { Target } from './target.ts'

/** The target that a project names. */
export function targetOf(project: Project, projectDir: string, edgeCommand: EdgeCommand): Target {
  if (project.target === 'local') return new LocalTarget(projectDir, edgeCommand)
  throw new Error(`target ${project.target} is not there yet`)
}

import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { EdgeCommand } from '../deploy/local/edge-process.ts'
import { readProject, type Project } from '../deploy/project.ts'
import type { Target } from '../deploy/target.ts'
import { targetOf } from '../deploy/targets.ts'

/** How this command line starts itself again. */
export const ownCommand: EdgeCommand = [
  process.execPath,
  // `main.js` once it is built.
  fileURLToPath(new URL(`main${extname(import.meta.url)}`, import.meta.url)),
]

export interface OpenProject {
  readonly projectDir: string
  readonly project: Project
  readonly target: Target
}

/** The project in the working directory. @throws {NoProjectError} @throws {ProjectError} */
export async function openProject(): Promise<OpenProject> {
  const projectDir = process.cwd()
  const project = await readProject(projectDir)
  return { projectDir, project, target: targetOf(project, projectDir, ownCommand) }
}

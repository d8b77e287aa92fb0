import { ComposeTarget } from './compose/compose-target.ts'
import type { EdgeCommand } from './local/edge-process.ts'
import { LocalTarget } from './local/local-target.ts'
import { KubernetesTarget } from './kubernetes/kubernetes-target.ts'
import { ProjectError, projectFile, type Project } from './project.ts'
import type { Target } from './target.ts'

/** The target that a project names. */
export function targetOf(project: Project, projectDir: string, edgeCommand: EdgeCommand): Target {
  if (project.target === 'local') return new LocalTarget(projectDir, edgeCommand)
  if (project.target === 'kubernetes') {
    if (project.kubernetes) return new KubernetesTarget(projectDir, project.kubernetes)
    throw new ProjectError(
      `${projectFile} kubernetes: the target kubernetes needs this section, with url, nats_leaf_url and jetstream_domain`,
    )
  }
  return new ComposeTarget(projectDir)
}

import { projectFile } from '../project.ts'
import { inRegion, isPerRegion, namespacePattern, type KubernetesSettings } from './settings.ts'

/** Allowed by Kubernetes in the value of a label, of all that `openclaw.yaml` allows for a region. */
const labelPattern = /[^-]$/

/** Why the clusters can't hold the edges of these regions, a line each. */
export function placementProblems(settings: KubernetesSettings, regions: readonly string[]): string[] {
  const wrong = regions.filter((region) => !labelPattern.test(region))
  if (wrong.length > 0) return wrong.map(labelProblem)
  return [
    ...regions.flatMap((region) => namespaceProblem(inRegion(settings.namespace, region), region)),
    ...collision(settings, regions),
  ]
}

function labelProblem(region: string): string {
  return `the region ${JSON.stringify(region)} is not allowed on this target, where it is the label of objects; allowed: a name that does not end with -`
}

function namespaceProblem(namespace: string, region: string): string[] {
  if (namespacePattern.test(namespace)) return []
  return [
    `the namespace ${JSON.stringify(namespace)} of the region ${region} is not allowed; allowed: up to 63 small letters, digits or -: shorten kubernetes.namespace of ${projectFile}`,
  ]
}

/** Objects have the same names in every region. Two contexts may still be of one cluster: that knows kubectl only. */
function collision({ context, namespace }: KubernetesSettings, regions: readonly string[]): string[] {
  if (regions.length < 2 || isPerRegion(context) || isPerRegion(namespace)) return []
  const same = `kubernetes.context (${context}) and kubernetes.namespace (${namespace})`
  return [
    `the regions ${regions.join(', ')} would replace each other: ${projectFile} gives them the same ${same}; have {region} in one of them, such as namespace: ${namespace}-{region} if they share a cluster`,
  ]
}

/** Allowed by Kubernetes in the value of a label, of all that `openclaw.yaml` allows for a region. */
const labelPattern = /[^-]$/

/** Why Kubernetes can't hold the edges of these regions, a line each. */
export function placementProblems(regions: readonly string[]): readonly string[] {
  return regions
    .filter((region) => !labelPattern.test(region))
    .map(
      (region) =>
        `the region ${JSON.stringify(region)} is not allowed on this target, where it is the label of objects; allowed: a name that does not end with -`,
    )
}

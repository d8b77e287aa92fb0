import type { Release, Releases } from './releases.ts'
import { RolloutError, type Progress } from './target.ts'

export interface RolloutSteps {
  readonly regions: readonly string[]
  /** Makes ready what is needed to apply a release. */
  readonly prepare: (release: Release) => Promise<void>
  /** Puts a prepared release in force in a region; resolves when it is ready there. */
  readonly apply: (release: Release, region: string) => Promise<void>
  readonly onProgress: Progress
}

/**
 * Puts a release in force in one region after the other. When it fails in one, that and those before it go back to the release that was
 * live. @throws {RolloutError}
 */
export async function rollOutByRegion(
  releases: Releases,
  release: Release,
  steps: RolloutSteps,
): Promise<void> {
  const { regions, prepare, apply, onProgress } = steps
  const before = await releases.live()
  const touched: string[] = []
  try {
    await prepare(release)
    for (const region of regions) {
      onProgress(`${region} is told`)
      touched.push(region)
      await apply(release, region)
      onProgress(`${region} is ready`)
    }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    await releases.setStatus(release.number, 'failed')
    onProgress(`release ${release.number} failed: ${problem}`)
    if (before) await goBack(before, touched, steps)
    throw new RolloutError(problem, { cause: error })
  }
  await releases.setStatus(release.number, 'live')
}

async function goBack(before: Release, regions: readonly string[], steps: RolloutSteps): Promise<void> {
  await steps.prepare(before)
  for (const region of regions) {
    steps.onProgress(`${region} goes back to release ${before.number}`)
    await steps.apply(before, region).catch((error: unknown) => steps.onProgress(String(error)))
  }
}

import { setTimeout } from 'node:timers/promises'
import type { CommandOptions } from '../command.ts'
import { appName } from './base.ts'

/** `kubectl` in the namespace of a region. */
export type Kubectl = (args: readonly string[], options?: CommandOptions) => Promise<string>

export const statefulSet = `statefulset/${appName}`
export const podSelector = `app.kubernetes.io/name=${appName}`
const observedAttemptsMax = 100

/**
 * Deletes pods of an earlier release that are not ready, which serve nobody. A StatefulSet would wait for them to become ready before it
 * replaces them, so after a release that doesn't start it would take no other.
 */
export async function deleteStuckPods(kubectl: Kubectl, pauseMs = 200): Promise<void> {
  const revision = await currentRevision(kubectl, pauseMs)
  if (revision === undefined) return
  const stuck = (await readPods(kubectl)).filter((pod) => !pod.isReady && pod.revision !== revision)
  if (stuck.length === 0) return
  await kubectl(['delete', 'pod', ...stuck.map(({ name }) => name), '--ignore-not-found', '--wait=false'])
}

/** Resolves when all pods are of the release and ready; `podTimeoutSec` is how long one of them may take. @throws {CommandError} */
export async function untilRolledOut(
  kubectl: Kubectl,
  podTimeoutSec: number,
  onLine: (line: string) => void,
): Promise<void> {
  const args = ['rollout', 'status', statefulSet, `--timeout=${podTimeoutSec}s`]
  for (let done = await progress(kubectl); ;) {
    try {
      await kubectl(args, { onLine })
      return
    } catch (error) {
      const before = done
      done = await progress(kubectl)
      // No number is no progress.
      if (!(done > before)) throw error
    }
  }
}

/** Grows with each pod that is replaced and ready, and not when one is replaced only: then another is missing. */
async function progress(kubectl: Kubectl): Promise<number> {
  const fields = '{.status.updatedReplicas} {.status.availableReplicas}'
  const text = await kubectl(['get', statefulSet, '-o', `jsonpath=${fields}`])
  return text.split(' ').reduce((sum, count) => sum + Number(count), 0)
}

const revisionFields = '{.metadata.generation} {.status.observedGeneration} {.status.updateRevision}'

/** Of new pods, as soon as the cluster has taken notice of what was applied: a pod that is deleted before would come back as it was. */
async function currentRevision(kubectl: Kubectl, pauseMs: number): Promise<string | undefined> {
  for (let attempt = 0; attempt < observedAttemptsMax; attempt += 1) {
    if (attempt > 0) await setTimeout(pauseMs)
    const text = await kubectl(['get', statefulSet, '-o', `jsonpath=${revisionFields}`])
    const [generation, observed, revision] = text.trim().split(' ')
    // One that is new has been observed by nobody.
    if (Number(observed) >= Number(generation)) return revision
  }
  return undefined
}

interface Pod {
  readonly name: string
  readonly revision: string
  readonly isReady: boolean
}

const podFields =
  '{.metadata.name} {.metadata.labels.controller-revision-hash} {.status.conditions[?(@.type=="Ready")].status}'

async function readPods(kubectl: Kubectl): Promise<readonly Pod[]> {
  const lines = `jsonpath={range .items[*]}${podFields}{"\\n"}{end}`
  const text = await kubectl(['get', 'pods', '-l', podSelector, '-o', lines])
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', revision = '', ready] = line.split(' ')
      return { name, revision, isReady: ready === 'True' }
    })
}

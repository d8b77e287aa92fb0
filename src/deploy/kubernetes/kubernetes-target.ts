import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import type { EdgeConfig } from '../../config/edge-config.ts'
import { CommandError, runCommand, type RunCommand } from '../command.ts'
import { filesMissingInContainers } from '../container-files.ts'
import { readConfig } from '../config-check.ts'
import { removeEdges, writeEdges, type EdgeAddress } from '../edges-file.ts'
import type { EdgeEnvironment } from '../environment.ts'
import { ProjectError, readProject, replaceFile, wantEdges, type WantedEdge } from '../project.ts'
import { Releases, type Release, type ReleaseContents } from '../releases.ts'
import { rollOutByRegion } from '../rollout.ts'
import type { Finding, LogOptions, Progress, ProvisionedEdge, RolloutOptions, Target } from '../target.ts'
import { appName, edgeContainer, regionLabel, releaseLabel, replacementSec } from './base.ts'
import { edgePorts, patchedPorts } from './egress.ts'
import { egressFileOf, kustomizeFiles, overlayOf, type KustomizeFiles } from './kustomization.ts'
import { placementProblems } from './placement.ts'
import { inRegion, type KubernetesSettings } from './settings.ts'
import { deleteStuckPods, podSelector, statefulSet, untilRolledOut, type Kubectl } from './stateful-set.ts'

const hashKeyBytes = 32

/** Edges as StatefulSets, one in the cluster of each region; `kubectl` and its contexts reach the clusters. */
export class KubernetesTarget implements Target {
  readonly #projectDir: string
  readonly #settings: KubernetesSettings
  readonly #run: RunCommand

  constructor(projectDir: string, settings: KubernetesSettings, run: RunCommand = runCommand) {
    this.#projectDir = projectDir
    this.#settings = settings
    this.#run = run
  }

  async provision(edges: readonly WantedEdge[]): Promise<ProvisionedEdge[]> {
    const { edges: before } = await readProject(this.#projectDir)
    const problems = placementProblems(this.#settings, regionsOf([...before, ...edges]))
    if (problems.length > 0) throw new ProjectError(problems.join('\n'))
    const project = await wantEdges(this.#projectDir, edges)
    return project.edges.map((edge) => ({ ...edge, url: inRegion(this.#settings.url, edge.region) }))
  }

  async hashKey(): Promise<string> {
    const file = join(this.#projectDir, '.openclaw', 'hash-key')
    if (!existsSync(file)) {
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await replaceFile(file, randomBytes(hashKeyBytes).toString('hex'), 0o600)
    }
    return readFile(file, 'utf8')
  }

  missing(edges: readonly WantedEdge[], release: Parameters<Target['missing']>[1]): Promise<string[]> {
    return Promise.resolve([
      ...placementProblems(this.#settings, regionsOf(edges)),
      ...filesMissingInContainers(release.config),
      ...(release.hasStore
        ? []
        : ['edges of several machines need a store that they share: give --env RATING_DB_URL=postgres://…']),
      ...(release.saysWhoMayCall
        ? []
        : [
            'the edges are open to their cluster: add the section auth to the configuration, or auth: { mode: off } if what is in front of them checks callers',
          ]),
      ...Object.entries(release.env).flatMap(([name, value]) =>
        /[\r\n]/.test(value) ? [`--env ${name}: a line break is not allowed on this target`] : [],
      ),
    ])
  }

  /** Each StatefulSet replaces one pod at a time, and the regions follow one after the other. */
  async rollOut(
    release: Release,
    { readyTimeoutMs, onProgress }: RolloutOptions,
  ): Promise<readonly EdgeAddress[]> {
    const releases = new Releases(this.#projectDir)
    const { edges } = await readProject(this.#projectDir)
    const running = await releases.live()
    await rollOutByRegion(releases, release, {
      regions: edges.map(({ region }) => region),
      prepare: (one) => this.#write(one, one.number === release.number ? running : release),
      apply: (one, region) => this.#apply(one, region, { readyTimeoutMs, onProgress }),
      onProgress,
    })
    const addresses = edges.map(({ region }) => ({
      replica: `${region}/0`,
      url: inRegion(this.#settings.url, region),
    }))
    await writeEdges(this.#projectDir, addresses)
    return addresses
  }

  async logs({ regions, lines, follow, onLine }: LogOptions): Promise<void> {
    const args = ['logs', '-l', podSelector, '-c', edgeContainer, `--tail=${lines}`]
    await Promise.all(
      regions.map((region) =>
        this.#kubectl(region, [...args, ...(follow ? ['--follow', '--max-log-requests=20'] : [])], {
          onLine: (line) => onLine(region, line),
          ...(follow && { signal: follow }),
        }),
      ),
    )
  }

  async examine(edges: readonly WantedEdge[]): Promise<Finding[]> {
    return Promise.all(edges.map(({ region }) => this.#examineRegion(region)))
  }

  async remains(): Promise<string[]> {
    if (!existsSync(join(this.#projectDir, '.openclaw'))) return []
    const { edges } = await readProject(this.#projectDir)
    const { namespace } = this.#settings
    return [
      ...edges.map(({ region }) => `${appName} of ${region} (namespace ${inRegion(namespace, region)})`),
      `releases and secrets (${join(this.#projectDir, '.openclaw')})`,
    ]
  }

  /** The namespace stays: it may hold other things. */
  async destroy(onProgress: Progress): Promise<void> {
    const { edges } = await readProject(this.#projectDir)
    for (const { region } of edges) {
      onProgress(`${region} stops`)
      await this.#kubectl(region, [
        'delete',
        'statefulset,service,serviceaccount,configmap,secret,poddisruptionbudget,horizontalpodautoscaler,networkpolicy',
        '-l',
        `${regionLabel}=${region}`,
        '--wait',
      ])
    }
    await removeEdges(this.#projectDir)
    await rm(join(this.#projectDir, '.openclaw'), { recursive: true, force: true })
  }

  /** Writes what a release is in Kubernetes, while its pods take the place of another's. */
  async #write({ number }: Release, other: Release | undefined): Promise<void> {
    const { edges } = await readProject(this.#projectDir)
    const otherPorts = new Map<string, readonly number[]>()
    for (const { region } of edges) if (other) otherPorts.set(region, await this.#portsOf(other, region))
    for (const [name, text] of await this.#render(number, otherPorts)) {
      const file = join(this.#filesOf(number), name)
      await mkdir(dirname(file), { recursive: true, mode: 0o700 })
      await replaceFile(file, text, 0o600)
    }
  }

  async #render(number: number, otherPorts: ReadonlyMap<string, readonly number[]>): Promise<KustomizeFiles> {
    const contents = await new Releases(this.#projectDir).contents(number)
    const { edges } = await readProject(this.#projectDir)
    const env = await this.#environmentOf(contents)
    const config = await this.#configOf(number)
    const { shutdownTimeoutMs } = config.http
    const release = { ...contents, number, env, shutdownTimeoutMs, ports: edgePorts(config, env) }
    return kustomizeFiles({ settings: this.#settings, edges, release, otherPorts })
  }

  async #environmentOf({ env }: ReleaseContents): Promise<EdgeEnvironment> {
    return { OPENCLAW_HASH_KEY: await this.hashKey(), ...env }
  }

  async #configOf(number: number): Promise<EdgeConfig> {
    const releases = new Releases(this.#projectDir)
    const contents = await releases.contents(number)
    return readConfig(contents.config, {
      file: releases.configFile(number),
      env: await this.#environmentOf(contents),
    })
  }

  /** The ports that pods of a release connect to, as it was written. */
  async #portsOf({ number }: Release, region: string): Promise<readonly number[]> {
    const file = join(this.#filesOf(number), egressFileOf(region))
    return existsSync(file) ? patchedPorts(parse(await readFile(file, 'utf8'))) : []
  }

  async #apply(
    release: Release,
    region: string,
    { readyTimeoutMs, onProgress }: RolloutOptions,
  ): Promise<void> {
    const apply = ['apply', '-k', join(this.#filesOf(release.number), overlayOf(region))]
    await this.#kubectl(region, apply)
    const kubectl: Kubectl = (args, options) => this.#kubectl(region, args, options)
    await deleteStuckPods(kubectl)
    const { http } = await this.#configOf(release.number)
    const podTimeoutSec = replacementSec({
      shutdownTimeoutSec: Math.ceil(http.shutdownTimeoutMs / 1000),
      readyTimeoutSec: Math.ceil(readyTimeoutMs / 1000),
    })
    await untilRolledOut(kubectl, podTimeoutSec, (line) => onProgress(`${region}: ${line}`))
    if (await this.#closePorts(release, region)) await this.#kubectl(region, apply)
    // No pod has those of other releases any more. If they can't be deleted, that is no reason to go back.
    const others = `${regionLabel}=${region},${releaseLabel}!=${release.number}`
    await kubectl(['delete', 'configmap,secret', '-l', others]).catch((error: unknown) =>
      onProgress(`${region}: ${String(error)}`),
    )
  }

  /** Takes away ports that only the pods before connected to, which are gone now; answers whether there were any. */
  async #closePorts({ number }: Release, region: string): Promise<boolean> {
    const name = egressFileOf(region)
    const file = join(this.#filesOf(number), name)
    const text = (await this.#render(number, new Map())).get(name)!
    if (text === (await readFile(file, 'utf8'))) return false
    await replaceFile(file, text, 0o600)
    return true
  }

  #filesOf(number: number): string {
    return join(new Releases(this.#projectDir).directory(number), 'kubernetes')
  }

  async #examineRegion(about: string): Promise<Finding> {
    try {
      const text = await this.#kubectl(about, [
        'get',
        statefulSet,
        '-o',
        'jsonpath={.status.readyReplicas} of {.status.replicas} pods are ready',
      ])
      const [ready, all] = text.split(' of ').map((part) => Number.parseInt(part, 10) || 0)
      if (ready === all) return { about, state: 'ok', detail: text.trim() }
      return { about, state: 'problem', detail: text.trim(), advice: `openclaw logs --region ${about}` }
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      const advice = `check: kubectl ${this.#placeOf(about).join(' ')} get pods`
      return { about, state: 'problem', detail: error.message, advice }
    }
  }

  #kubectl(region: string, args: readonly string[], options?: Parameters<RunCommand>[2]): Promise<string> {
    return this.#run('kubectl', [...this.#placeOf(region), ...args], options)
  }

  #placeOf(region: string): string[] {
    const { context, namespace } = this.#settings
    return ['--context', inRegion(context, region), '-n', inRegion(namespace, region)]
  }
}

function regionsOf(edges: readonly WantedEdge[]): string[] {
  return [...new Set(edges.map(({ region }) => region))]
}

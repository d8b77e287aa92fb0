import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { assignAddresses } from '../addresses.ts'
import { CommandError, runCommand, type CommandOptions, type RunCommand } from '../command.ts'
import { readConfig } from '../config-check.ts'
import { filesMissingInContainers } from '../container-files.ts'
import { hasSection } from '../edge-yaml.ts'
import { writeEdges, type EdgeAddress } from '../edges-file.ts'
import { readProject, replaceFile, wantEdges, type WantedEdge } from '../project.ts'
import { Releases, type Release } from '../releases.ts'
import { rollOutByRegion } from '../rollout.ts'
import type {
  Finding,
  LogOptions,
  Progress,
  ProvisionedEdge,
  ReleaseNeeds,
  RolloutOptions,
  Target,
} from '../target.ts'
import {
  composeFile,
  composeFiles,
  edgeService,
  frontService,
  natsService,
  ordinals,
} from './compose-files.ts'
import { untilAllServe } from './front-state.ts'

/** Edges as containers of this machine's Docker, by `docker compose`. */
export class ComposeTarget implements Target {
  readonly #projectDir: string
  readonly #run: RunCommand
  readonly #untilAllServe: typeof untilAllServe

  constructor(projectDir: string, run: RunCommand = runCommand, untilServed = untilAllServe) {
    this.#projectDir = projectDir
    this.#run = run
    this.#untilAllServe = untilServed
  }

  async provision(edges: readonly WantedEdge[]): Promise<ProvisionedEdge[]> {
    const regions = edges.map(({ region }) => region)
    const { regions: ports } = await assignAddresses(this.#projectDir, regions)
    const project = await wantEdges(this.#projectDir, edges)
    return project.edges.map((edge) => ({ ...edge, url: `http://127.0.0.1:${ports[edge.region]?.http}` }))
  }

  async hashKey(): Promise<string> {
    return (await assignAddresses(this.#projectDir, [])).hashKey
  }

  async missing(_edges: readonly WantedEdge[], { config }: ReleaseNeeds): Promise<string[]> {
    return [...(await this.#missingProgram()), ...filesMissingInContainers(config)]
  }

  async #missingProgram(): Promise<string[]> {
    try {
      await this.#run('docker', ['compose', 'version'])
      return []
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      return ['docker compose is not installed, which runs the containers']
    }
  }

  async rollOut(release: Release, options: RolloutOptions): Promise<readonly EdgeAddress[]> {
    const releases = new Releases(this.#projectDir)
    const { edges } = await readProject(this.#projectDir)
    await rollOutByRegion(releases, release, {
      regions: edges.map(({ region }) => region),
      prepare: (one) => this.#prepare(one, options.onProgress),
      apply: (_one, region) => this.#apply(region, options),
      onProgress: options.onProgress,
    })
    const { regions } = await assignAddresses(this.#projectDir, [])
    const addresses = edges.map(({ region }) => ({
      replica: `${region}/0`,
      url: `http://127.0.0.1:${regions[region]?.http}`,
    }))
    await writeEdges(this.#projectDir, addresses)
    return addresses
  }

  async logs({ regions, lines, follow, onLine }: LogOptions): Promise<void> {
    const args = ['logs', '--no-log-prefix', `--tail=${lines}`, ...(follow ? ['--follow'] : [])]
    await Promise.all(
      regions.map((region) =>
        this.#compose([...args, ...ordinals.map((ordinal) => edgeService(region, ordinal))], {
          onLine: (line) => onLine(region, line),
          ...(follow && { signal: follow }),
        }),
      ),
    )
  }

  async examine(edges: readonly WantedEdge[]): Promise<Finding[]> {
    const [missing] = await this.#missingProgram()
    if (missing !== undefined)
      return [{ about: 'docker', state: 'problem', detail: missing, advice: 'install Docker Engine' }]
    if (!existsSync(this.#file)) {
      const advice = 'openclaw deploy --image IMAGE --config token_buckets.yaml'
      return [{ about: 'deployment', state: 'warning', detail: 'nothing runs', advice }]
    }
    const running = new Set((await this.#compose(['ps', '--services', '--status=running'])).split('\n'))
    return edges.map(({ region }): Finding => {
      const services = [natsService(region), frontService(region), ...edgesOf(region)]
      const down = services.filter((service) => !running.has(service))
      if (down.length === 0)
        return { about: region, state: 'ok', detail: `${services.length} containers run` }
      const advice = `openclaw logs --region ${region}`
      return { about: region, state: 'problem', detail: `${down.join(', ')} does not run`, advice }
    })
  }

  async remains(): Promise<string[]> {
    const root = join(this.#projectDir, '.openclaw')
    if (!existsSync(root)) return []
    const { name } = await readProject(this.#projectDir)
    return [
      ...(existsSync(this.#file) ? [`the containers and volumes of ${name}, with ratings kept there`] : []),
      `releases and secrets (${root})`,
    ]
  }

  async destroy(onProgress: Progress): Promise<void> {
    if (existsSync(this.#file)) {
      onProgress('containers and volumes are removed')
      await this.#compose(['down', '--volumes', '--remove-orphans'])
    }
    await rm(join(this.#projectDir, '.openclaw'), { recursive: true, force: true })
  }

  get #file(): string {
    return join(this.#projectDir, '.openclaw', 'compose', composeFile)
  }

  /** Writes what a release is, and starts what its edges need. */
  async #prepare({ number }: Release, onProgress: Progress): Promise<void> {
    const releases = new Releases(this.#projectDir)
    const { image, config, env } = await releases.contents(number)
    const { name, edges } = await readProject(this.#projectDir)
    const addresses = await assignAddresses(this.#projectDir, [])
    const edgeEnv = { OPENCLAW_HASH_KEY: addresses.hashKey, ...env }
    const { http, store } = readConfig(config, { file: releases.configFile(number), env: edgeEnv })
    const hasStore = store.url !== null
    const release = {
      image,
      config,
      env: edgeEnv,
      hasStore,
      hasAuth: hasSection(config, 'auth'),
      shutdownTimeoutMs: http.shutdownTimeoutMs,
    }
    await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 })
    for (const [file, text] of composeFiles({ name, addresses, edges, release })) {
      // Containers read all but the first as users of their own.
      await replaceFile(join(dirname(this.#file), file), text, file === composeFile ? 0o600 : 0o644)
    }
    const servers = [...edges.map(({ region }) => natsService(region)), ...(hasStore ? [] : ['postgres'])]
    onProgress(`${servers.join(', ')} start`)
    await this.#compose(['up', '--detach', '--wait', ...servers])
  }

  /** One container after the other, each when HAProxy sends requests to the one before. */
  async #apply(region: string, { readyTimeoutMs }: RolloutOptions): Promise<void> {
    const wait = ['--wait', `--wait-timeout=${Math.ceil(readyTimeoutMs / 1000)}`]
    const { regions } = await assignAddresses(this.#projectDir, [])
    const url = `http://127.0.0.1:${regions[region]?.http}`
    for (const service of edgesOf(region)) {
      await this.#compose(['up', '--detach', '--no-deps', '--force-recreate', ...wait, service])
      await this.#untilAllServe(url, readyTimeoutMs)
    }
    await this.#compose(['up', '--detach', '--no-deps', frontService(region)])
  }

  #compose(args: readonly string[], options?: CommandOptions): Promise<string> {
    return this.#run('docker', ['compose', '--file', this.#file, ...args], options)
  }
}

function edgesOf(region: string): string[] {
  return ordinals.map((ordinal) => edgeService(region, ordinal))
}

import { createHash, createHmac } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { EdgeEnvironment } from './environment.ts'
import { replaceFile } from './project.ts'

const statuses = ['rolling', 'live', 'superseded', 'failed'] as const
export type ReleaseStatus = (typeof statuses)[number]

const schema = z.object({
  number: z.int().min(1),
  /** As the deploy named it. */
  image: z.string(),
  /** SHA-256 of the configuration. */
  configDigest: z.string(),
  /** Keyed, so that nobody can try out secrets against it. */
  envDigest: z.string(),
  envNames: z.array(z.string()),
  createdAt: z.iso.datetime(),
  status: z.enum(statuses),
  /** The release whose image, configuration and environment this one repeats, if it was made by a rollback. */
  rollbackTo: z.int().min(1).optional(),
})

/** What was deployed at one time: an image, a configuration and an environment. */
export type Release = Readonly<z.infer<typeof schema>>

/** What a release is made of. */
export interface ReleaseContents {
  readonly image: string
  readonly config: string
  readonly env: EdgeEnvironment
}

/** There is no release to do that with. */
export class ReleaseError extends Error {
  override readonly name = 'ReleaseError'
}

const keptMax = 20

/** The releases of a project, each in a directory of its own under `.openclaw/releases`. Environments are readable by their owner only. */
export class Releases {
  readonly #directory: string

  constructor(projectDir: string) {
    this.#directory = join(projectDir, '.openclaw', 'releases')
  }

  directory(number: number): string {
    return join(this.#directory, String(number))
  }

  configFile(number: number): string {
    return join(this.directory(number), 'config.yaml')
  }

  /** The oldest first. */
  async list(): Promise<Release[]> {
    const names = await readdir(this.#directory).catch(() => [])
    const numbers = names.filter((name) => /^\d+$/.test(name)).map(Number)
    return Promise.all(numbers.toSorted((a, b) => a - b).map((number) => this.read(number)))
  }

  async live(): Promise<Release | undefined> {
    return (await this.list()).find(({ status }) => status === 'live')
  }

  async read(number: number): Promise<Release> {
    const file = join(this.directory(number), 'release.json')
    try {
      return schema.parse(JSON.parse(await readFile(file, 'utf8')))
    } catch (error) {
      throw new ReleaseError(`release ${number} is not kept, or damaged (${file})`, { cause: error })
    }
  }

  async contents(number: number): Promise<ReleaseContents> {
    const { image } = await this.read(number)
    const config = await readFile(this.configFile(number), 'utf8')
    const env = z
      .record(z.string(), z.string())
      .parse(JSON.parse(await readFile(join(this.directory(number), 'env.json'), 'utf8')))
    return { image, config, env }
  }

  async create(
    { image, config, env }: ReleaseContents,
    { key, now, rollbackTo }: { key: string; now: Date; rollbackTo?: number },
  ): Promise<Release> {
    const last = (await this.list()).at(-1)
    const release: Release = {
      number: (last?.number ?? 0) + 1,
      image,
      ...digests({ config, env }, key),
      envNames: Object.keys(env),
      createdAt: now.toISOString(),
      status: 'rolling',
      ...(rollbackTo !== undefined && { rollbackTo }),
    }
    await mkdir(this.directory(release.number), { recursive: true, mode: 0o700 })
    await writeFile(this.configFile(release.number), config, { mode: 0o600 })
    await writeFile(join(this.directory(release.number), 'env.json'), `${JSON.stringify(env)}\n`, {
      mode: 0o600,
    })
    await this.#write(release)
    await this.#prune()
    return release
  }

  /** When one goes live, the one before is superseded. */
  async setStatus(number: number, status: ReleaseStatus): Promise<void> {
    for (const release of await this.list()) {
      if (release.number === number) await this.#write({ ...release, status })
      else if (status === 'live' && release.status === 'live')
        await this.#write({ ...release, status: 'superseded' })
    }
  }

  /** @throws {ReleaseError} if there is none to go back to. */
  async rollbackTarget(to: number | undefined): Promise<Release> {
    const releases = await this.list()
    const live = releases.find(({ status }) => status === 'live')
    const known = releases.map(({ number, status }) => `${number} (${status})`).join(', ')
    if (to !== undefined) {
      const target = releases.find(({ number }) => number === to)
      if (target && target.status !== 'failed' && target !== live) return target
      throw new ReleaseError(`release ${to} is none to go back to; there are: ${known || 'none'}`)
    }
    const target = releases.findLast(
      ({ number, status, configDigest, envDigest, image }) =>
        live !== undefined &&
        number < live.number &&
        status === 'superseded' &&
        // Going back twice shouldn't swing between two releases that are the same.
        (configDigest !== live.configDigest || envDigest !== live.envDigest || image !== live.image),
    )
    if (target) return target
    throw new ReleaseError(`there is no earlier release to go back to; there are: ${known || 'none'}`)
  }

  async #write(release: Release): Promise<void> {
    await replaceFile(
      join(this.directory(release.number), 'release.json'),
      `${JSON.stringify(release, null, 2)}\n`,
    )
  }

  async #prune(): Promise<void> {
    const releases = await this.list()
    for (const { number, status } of releases.slice(0, -keptMax)) {
      if (status !== 'live') await rm(this.directory(number), { recursive: true, force: true })
    }
  }
}

export function digests(
  { config, env }: Pick<ReleaseContents, 'config' | 'env'>,
  key: string,
): { configDigest: string; envDigest: string } {
  const sorted = Object.entries(env).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return {
    configDigest: createHash('sha256').update(config).digest('hex'),
    envDigest: createHmac('sha256', key).update(JSON.stringify(sorted)).digest('hex'),
  }
}

import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Spec, Validation } from '@cyclonedx/cyclonedx-library'
import { DockerfileParser } from 'dockerfile-ast'
import { validate, ValidationSeverity } from 'dockerfile-utils'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { freePort } from './support/free-port.ts'

// Where there is no Docker: the Dockerfile is linted, and what its stages run is run on what they copy.

interface Sbom {
  readonly metadata: { readonly component: object }
  readonly components: readonly { readonly name: string; readonly version: string }[]
}

const root = fileURLToPath(new URL('..', import.meta.url))
const dockerfile = await readFile(join(root, 'Dockerfile'), 'utf8')
const parsed = DockerfileParser.parse(dockerfile)
const [from, lastFrom] = [parsed.getFROMs()[0]!, parsed.getFROMs().at(-1)!]
const run = promisify(execFile)

/** Arguments of the instructions of that name, in the stage that begins with the first or the last FROM. */
function argumentsOf(keyword: string, stage = lastFrom): string[][] {
  const isIn = (line: number): boolean =>
    stage === lastFrom ? line > lastFrom.getRange().start.line : line < lastFrom.getRange().start.line
  return parsed
    .getInstructions()
    .filter((one) => one.getKeyword() === keyword && isIn(one.getRange().start.line))
    .map((one) => one.getArguments().map((argument) => argument.getValue()))
}

const json = (words: readonly string[]): string[] => JSON.parse(words.join(' ')) as string[]

let app: string

beforeAll(async () => {
  app = await mkdtemp(join(tmpdir(), 'openclaw-image-'))
  for (const words of argumentsOf('COPY', from)) {
    const [sources, target] = [words.slice(0, -1), words.at(-1)!]
    for (const source of sources) {
      // Of a directory its contents are copied.
      const isDirectory = (await stat(join(root, source))).isDirectory()
      const to = isDirectory ? join(app, target) : join(app, target, basename(source))
      await cp(join(root, source), to, { recursive: true })
    }
  }
  // In place of `npm ci`, whose outcome the tests run on.
  await symlink(join(root, 'node_modules'), join(app, 'node_modules'))
})

afterAll(() => rm(app, { recursive: true, force: true }))

/** Runs a script of ours, which the Dockerfile has to run, too. */
async function runScript(name: string): Promise<void> {
  const [script, ...more] = argumentsOf('RUN', from).filter(
    ([, verb, word]) => verb === 'run' && word === name,
  )
  expect([script, ...more]).toEqual([['npm', 'run', name]])
  await run(script![0]!, script!.slice(1), { cwd: app })
}

test('the linter finds nothing', () => {
  expect(validate(dockerfile, { instructionWorkdirRelative: ValidationSeverity.ERROR })).toEqual([])
})

test('what the build copies is not ignored', async () => {
  const ignored = (await readFile(join(root, '.dockerignore'), 'utf8')).split('\n')
  const sources = argumentsOf('COPY', from).flatMap((words) => words.slice(0, -1))
  expect(ignored).toEqual(expect.arrayContaining(['*', ...sources.map((source) => `!${source}`)]))
})

test('what runs is no root, and is asked for its health', () => {
  expect(argumentsOf('USER')).toEqual([['node']])
  expect(argumentsOf('HEALTHCHECK')).toHaveLength(1)
})

test('dependencies are those that are locked, and no script of theirs runs', () => {
  const [install] = argumentsOf('RUN', from)
  expect(install?.slice(0, 3)).toEqual(['npm', 'ci', '--ignore-scripts'])
  execFileSync('npm', ['ls', '--package-lock-only', '--omit=optional'], { cwd: root, stdio: 'ignore' })
})

/** What npm says is installed in production, as `name@version`. */
async function packagesInProduction(): Promise<string[]> {
  interface Package {
    readonly version?: string
    readonly dependencies?: Readonly<Record<string, Package>>
  }
  const named = ({ dependencies = {} }: Package): string[] =>
    Object.entries(dependencies).flatMap(([name, one]) =>
      one.version === undefined ? [] : [`${name}@${one.version}`, ...named(one)],
    )
  const options = ['ls', '--all', '--omit=dev', '--omit=optional', '--package-lock-only', '--json']
  const { stdout } = await run('npm', options, { cwd: root })
  return [...new Set(named(JSON.parse(stdout) as Package))].toSorted()
}

/** SHA-512 of each locked package, in hexadecimal, by `name@version`. */
async function lockedHashes(): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(join(root, 'package-lock.json'), 'utf8')
  const { packages } = JSON.parse(text) as {
    packages: Record<string, { version: string; integrity?: string }>
  }
  return new Map(
    Object.entries(packages).map(([path, { version, integrity = '' }]) => [
      `${path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)}@${version}`,
      Buffer.from(integrity.slice('sha512-'.length), 'base64').toString('hex'),
    ]),
  )
}

test('the image carries an SBOM: all packages that run in it, with their hashes, and none else', async () => {
  await runScript('sbom')
  const copied = argumentsOf('COPY').map((words) => words.slice(0, -1))
  expect(copied.flat()).toContain('/app/sbom.cdx.json')
  const text = await readFile(join(app, 'sbom.cdx.json'), 'utf8')
  expect(await new Validation.JsonStrictValidator(Spec.Version.v1dot5).validate(text)).toBeNull()
  const { metadata, components } = JSON.parse(text) as Sbom
  expect(metadata.component).toMatchObject({ type: 'application', name: 'openclaw-edge' })
  const listed = components.map(({ name, version }) => `${name}@${version}`)
  const packages = await packagesInProduction()
  expect(packages.length).toBeGreaterThan(20)
  expect(listed.toSorted()).toEqual(packages)
  const hashes = await lockedHashes()
  for (const { name, version, ...component } of components) {
    expect(component).toMatchObject({
      purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
      hashes: [{ alg: 'SHA-512', content: hashes.get(`${name}@${version}`) }],
    })
  }
})

test('what the build makes serves, and its health check tells', async () => {
  await runScript('build')
  const [entry, ...args] = json(argumentsOf('ENTRYPOINT')[0]!)
  expect(entry).toBe('node')
  expect(
    (await run(process.execPath, [...args, ...json(argumentsOf('CMD')[0]!)], { cwd: app })).stdout,
  ).toContain('serve')
  const port = String(await freePort())
  await writeFile(join(app, 'config.yaml'), 'token_buckets: { us: { capacity: 5, refill_per_sec: 1 } }\n')
  const env = { PATH: process.env['PATH'], OPENCLAW_HTTP_PORT: port }
  const isHealthy = async (): Promise<void> => {
    const words = argumentsOf('HEALTHCHECK')[0]!
    const [, ...check] = json(words.slice(words.indexOf('CMD') + 1))
    await run(process.execPath, check, { env })
  }
  await expect(isHealthy()).rejects.toThrow(/./)
  const serve = ['serve', '--config', 'config.yaml', '--region', 'us']
  const edge = spawn(process.execPath, [...args, ...serve], { cwd: app, env, stdio: 'ignore' })
  try {
    await eventually(isHealthy)
  } finally {
    edge.kill('SIGTERM')
    const [code] = (await once(edge, 'exit')) as [number | null]
    expect(code).toBe(0)
  }
})

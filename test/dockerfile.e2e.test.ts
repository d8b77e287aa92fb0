import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { DockerfileParser } from 'dockerfile-ast'
import { validate, ValidationSeverity } from 'dockerfile-utils'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually } from './support/eventually.ts'
import { freePort } from './support/free-port.ts'

// Where there is no Docker: the Dockerfile is linted, and what its stages run is run on what they copy.

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

test('the linter finds nothing', () => {
  expect(validate(dockerfile, { instructionWorkdirRelative: ValidationSeverity.ERROR })).toEqual([])
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

test('what the build makes serves, and its health check tells', async () => {
  const builds = argumentsOf('RUN', from).filter(([, verb]) => verb === 'run')
  expect(builds).toEqual([['npm', 'run', 'build']])
  for (const [program, ...args] of builds) await run(program!, args, { cwd: app })
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

import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import packageJson from '../package.json' with { type: 'json' }
import { documentedSteps } from './support/documented-steps.ts'

// The package as its users get it: packed, installed, its commands called, and the README's library example compiled and run.

const root = fileURLToPath(new URL('..', import.meta.url))
const sources = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'README.md', 'LICENSE', 'src']
const packed = ['token_buckets.yaml', 'docs', 'deploy', 'CHANGELOG.md']

let home: string
let installed: string

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'openclaw-package-'))
  const clone = join(home, 'clone')
  for (const name of [...sources, ...packed])
    await cp(join(root, name), join(clone, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'))
  const [install] = documentedSteps(new URL('../docs/quickstart.md', import.meta.url)).filter(
    ({ heading }) => heading === 'Install the command',
  )
  expect((await run(install!.script, clone)).trim().split('\n').at(-1)).toBe(packageJson.version)
  installed = join(home, 'prefix', 'lib', 'node_modules', packageJson.name)
})

afterAll(() => rm(home, { recursive: true, force: true }))

/** Runs lines of a shell, for which programs are installed in a directory of their own. */
async function run(script: string, cwd: string): Promise<string> {
  const prefix = join(home, 'prefix')
  const env = {
    ...process.env,
    npm_config_prefix: prefix,
    // What the checkout was installed from needs not be fetched again.
    npm_config_prefer_offline: 'true',
    npm_config_audit: 'false',
    PATH: `${prefix}/bin:${process.env['PATH']}`,
  }
  return (await promisify(execFile)('sh', ['-ec', script], { cwd, env })).stdout
}

test('both names of the command work, wherever one is', async () => {
  const work = join(home, 'work')
  await mkdir(work)
  expect(await run('ubos --version', work)).toContain(packageJson.version)
  expect(await run('openclaw completion bash', work)).toContain('openclaw')
  await run('ubos init --template rating-api-edge shop', work)
  expect(await run('openclaw config validate', join(work, 'shop'))).toContain('is valid')
})

test('what is installed is what runs, what it reads and what explains it', async () => {
  const files = (await run('find . -path ./node_modules -prune -o -type f -print', installed)).split('\n')
  expect(
    files.filter((file) => /\.(test|contract|testing)\.|tsbuildinfo|\.ts$(?<!\.d\.ts)/.test(file)),
  ).toEqual([])
  for (const name of ['./docs/guide.md', './deploy/observability/alerts/openclaw-alerts.yaml'])
    expect(files).toContain(name)
})

test("the README's example of the library compiles against the package's types, and decides", async () => {
  const project = join(home, 'library')
  await mkdir(join(project, 'node_modules'), { recursive: true })
  await symlink(installed, join(project, 'node_modules', packageJson.name))
  const [, example] = /^```ts\n([\s\S]*?)^```$/m.exec(await readFile(join(root, 'README.md'), 'utf8'))!
  const shown = `console.log(JSON.stringify(decision))\nprocess.exit()\n`
  await writeFile(join(project, 'package.json'), '{"type":"module"}')
  await writeFile(join(project, 'example.ts'), `${example}${shown}`)
  const compilerOptions = {
    strict: true,
    noEmit: true,
    module: 'nodenext',
    target: 'es2024',
    types: ['node'],
    typeRoots: [join(root, 'node_modules', '@types')],
  }
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['example.ts'] }))
  await run('tsc', project)
  const decision = JSON.parse(await run('node example.ts', project)) as unknown
  expect(decision).toMatchObject({ allowed: true })
})

import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { mutate, root } from './mutate.ts'
import { mutants, type Mutant } from './mutants.ts'

const read = (file: string): Promise<string> => readFile(join(root, file), 'utf8')

test('every fault has a name of its own, and changes one place that is there', async () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length)
  for (const mutant of mutants) {
    const source = await read(mutant.file)
    expect(mutate(mutant, source)).not.toBe(source)
  }
})

test('the test that has to notice a fault is in the file that is named', async () => {
  for (const { caughtBy } of mutants) expect(await read(caughtBy.file)).toContain(caughtBy.test)
})

test('source with a fault in it is still a program', { timeout: 120_000 }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'openclaw-mutants-'))
  await cp(join(root, 'src'), join(directory, 'src'), { recursive: true })
  await cp(join(root, 'package.json'), join(directory, 'package.json'))
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
  const files = []
  for (const mutant of mutants) {
    // Beside the file that it stands for, so that what it imports is there.
    const file = mutant.file.replace(/\.ts$/, `.${mutant.name}.ts`)
    await writeFile(join(directory, file), mutate(mutant, await read(mutant.file)))
    files.push(file)
  }
  const options = { noUnusedLocals: false, noUnusedParameters: false }
  const config = { extends: join(root, 'tsconfig.json'), compilerOptions: options, include: files }
  await writeFile(join(directory, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const check = promisify(execFile)(process.execPath, [tsc, '--noEmit', '--pretty', 'false'], {
    cwd: directory,
  })
  const said = await check.then(
    () => '',
    (error: { stdout: string }) => error.stdout,
  )
  await rm(directory, { recursive: true })
  expect(said).toBe('')
})

test('docs/testing.md lists every fault, and the test that notices it', async () => {
  const row = ({ name, file, caughtBy }: Mutant): string =>
    `| ${name} | ${basename(file)} | [${basename(caughtBy.file)}](../${caughtBy.file}): ${caughtBy.test} … |`
  const [, table] = (await read('docs/testing.md')).split('<!-- faults -->')
  const rows = table?.split('\n').filter((line) => line.startsWith('| ') && !/^\| (fault|---)/.test(line))
  expect(rows).toEqual(mutants.map(row))
})

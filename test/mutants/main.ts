import { parseArgs } from 'node:util'
import type { TestProjectInlineConfiguration } from 'vitest/config'
import { createVitest, type TestModule, type Vitest } from 'vitest/node'
import { mutate, root } from './mutate.ts'
import { mutants, type Mutant } from './mutants.ts'

/**
 * Runs, for each deliberate fault, the test that has to notice it. The fault is put into the source as it is loaded: no file changes.
 * All of these tests run without any fault too, since a test that always fails notices nothing.
 */

const faultless = 'without a fault'
const usage = 'npm run test:mutants [-- NAME ...]    only those; their names are in docs/testing.md'

function chosen(): readonly Mutant[] {
  const { positionals } = parseArgs({ allowPositionals: true })
  const unknown = positionals.filter((wanted) => mutants.every(({ name }) => name !== wanted))
  if (unknown.length > 0) throw new RangeError(`no fault is called ${unknown.join(', ')}\n${usage}`)
  return positionals.length > 0 ? mutants.filter(({ name }) => positionals.includes(name)) : mutants
}

/** A Vitest project for each fault, and one without; `applied` gathers the faults that were loaded. */
function start(list: readonly Mutant[], applied: Set<Mutant>): Promise<Vitest> {
  const project = (mutant?: Mutant): TestProjectInlineConfiguration => ({
    root,
    plugins: [
      {
        name: 'fault',
        enforce: 'pre',
        transform: (source, id) => {
          if (!mutant || id !== `${root}${mutant.file}`) return undefined
          applied.add(mutant)
          return mutate(mutant, source)
        },
      },
    ],
    test: {
      name: mutant?.name ?? faultless,
      include: [],
      setupFiles: ['test/mutants/fail-early.ts'],
      testTimeout: 600_000,
    },
  })
  return createVitest('test', {
    root,
    config: false,
    watch: false,
    reporters: [],
    maxWorkers: '100%',
    // What is loaded depends on the fault, which no cache knows of.
    fsModuleCache: false,
    projects: [project(), ...list.map((mutant) => project(mutant))],
  })
}

/** Runs the tests, each fault's with that fault, and all of them without. */
async function runTests(vitest: Vitest, list: readonly Mutant[]): Promise<readonly TestModule[]> {
  const specification = (project: string, file: string, tests: readonly string[]) => {
    const testNamePattern = new RegExp(tests.map((test) => RegExp.escape(test)).join('|'))
    return vitest.getProjectByName(project).createSpecification(`${root}${file}`, { testNamePattern })
  }
  const byFile = Map.groupBy(list, ({ caughtBy }) => caughtBy.file)
  const { testModules } = await vitest.runTestSpecifications([
    ...[...byFile].map(([file, some]) =>
      specification(
        faultless,
        file,
        some.map(({ caughtBy }) => caughtBy.test),
      ),
    ),
    ...list.map(({ name, caughtBy }) => specification(name, caughtBy.file, [caughtBy.test])),
  ])
  return testModules
}

/** Why a fault counts as unnoticed; undefined if its test failed because something asserted did not hold. */
function whyUnnoticed(module: TestModule | undefined): string | undefined {
  if (!module) return 'its test did not run'
  const broken = module.errors()[0]
  if (broken) return `its test could not be loaded: ${broken.message}`
  const results = [...module.children.allTests()].map((test) => test.result())
  const ran = results.filter(({ state }) => state === 'passed' || state === 'failed')
  if (ran.length === 0) return 'its test is not there'
  const errors = ran.flatMap((result) => result.errors ?? [])
  if (errors.length === 0) return 'survived'
  const text = JSON.stringify(errors)
  const isAssertion = text.includes('AssertionError') && !/\b(Type|Range|Reference|Syntax)Error\b/.test(text)
  return isAssertion ? undefined : `broke the program: ${errors[0]!.message}`
}

async function main(): Promise<void> {
  const list = chosen()
  const startedAtMs = performance.now()
  const applied = new Set<Mutant>()
  const vitest = await start(list, applied)
  const modules = await runTests(vitest, list)
  await vitest.close()
  const [plain, faulty] = [true, false].map((isPlain) =>
    modules.filter(({ project }) => (project.name === faultless) === isPlain),
  )
  const failures = plain!
    .filter((module) => !module.ok())
    .map(({ relativeModuleId }) => `${relativeModuleId} fails without any fault`)
  for (const mutant of list) {
    const module = faulty!.find(({ project }) => project.name === mutant.name)
    const why = applied.has(mutant) ? whyUnnoticed(module) : `${mutant.file} was not loaded`
    console.log(why === undefined ? `caught    ${mutant.name}` : `UNNOTICED ${mutant.name}: ${why}`)
    if (why !== undefined) failures.push(`${mutant.name}: ${why}`)
  }
  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(0)
  console.log(`${list.length} faults, ${failures.length} failures, ${seconds} s`)
  for (const failure of failures) console.error(failure)
  process.exitCode = failures.length > 0 ? 1 : 0
}

await main()

import { watch } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { ConfigChanges } from './changes.ts'
import type { EdgeConfig } from './edge-config.ts'
import { loadConfigFile } from './load.ts'
import { formatProblems, type ConfigProblem } from './problem.ts'
import { watchConfig, type ConfigWatcher, type Schedule } from './watch.ts'

const yaml = (capacity: number, more = ''): string =>
  `limits: {a: {shares: {us: {capacity: ${capacity}, refill_per_sec: 1}}}}\n${more}`

/** A timer that fires when the test says so. */
class ManualTimer {
  #callback: (() => void) | undefined
  #armed = Promise.withResolvers<void>()
  cancelled = 0

  readonly schedule: Schedule = (callback) => {
    this.#callback = callback
    this.#armed.resolve()
    return () => {
      this.cancelled++
      if (this.#callback === callback) this.#callback = undefined
    }
  }

  /** Resolves when it has been set since it last fired. */
  armed(): Promise<void> {
    return this.#armed.promise
  }

  get isArmed(): boolean {
    return this.#callback !== undefined
  }

  fire(): void {
    const callback = this.#callback
    this.#callback = undefined
    this.#armed = Promise.withResolvers()
    callback?.()
  }
}

interface Watched {
  file: string
  timer: ManualTimer
  watcher: ConfigWatcher
  applied: { config: EdgeConfig; changes: ConfigChanges }[]
  rejected: (readonly ConfigProblem[])[]
}

const freshDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), 'openclaw-watch-'))

async function load(file: string): Promise<EdgeConfig> {
  const loaded = await loadConfigFile(file, {})
  if (!loaded.ok) throw new Error(formatProblems(loaded.errors))
  return loaded.config
}

async function watched(file: string, onConfig?: () => void): Promise<Watched> {
  const current = await load(file)
  const timer = new ManualTimer()
  const applied: Watched['applied'] = []
  const rejected: Watched['rejected'] = []
  const watcher = watchConfig({
    path: file,
    env: {},
    current,
    onConfig: (config, changes) => {
      onConfig?.()
      applied.push({ config, changes })
    },
    onRejected: (problems) => rejected.push(problems),
    schedule: timer.schedule,
  })
  onTestFinished(() => watcher.close())
  // The reading at the start is over, so that the test decides about every other.
  await watcher.reload()
  return { file, timer, watcher, applied, rejected }
}

async function watchedFile(onConfig?: () => void): Promise<Watched> {
  const file = join(await freshDirectory(), 'edge.yaml')
  await writeFile(file, yaml(1))
  return watched(file, onConfig)
}

const capacities = ({ applied }: Watched): (number | undefined)[] =>
  applied.map(({ config }) => config.limits[0]?.shares['us']?.capacity)

const messages = ({ rejected, file }: Watched): string[] =>
  rejected.map((problems) => formatProblems(problems).replaceAll(file, 'FILE'))

/** Fires the timer that a change of the file has set, and waits for what comes of it: readings are one after the other. */
async function settle({ timer, watcher }: Watched): Promise<void> {
  await timer.armed()
  timer.fire()
  await watcher.reload()
}

test('a file written in place is applied when it has been left alone for a while', async () => {
  const edge = await watchedFile()
  await writeFile(edge.file, yaml(2))
  await edge.timer.armed()
  expect(capacities(edge)).toEqual([])
  await settle(edge)
  expect(capacities(edge)).toEqual([2])
  expect(edge.applied[0]?.changes.limitsChanged).toEqual(['a'])
})

test('a file replaced by a rename is applied', async () => {
  const edge = await watchedFile()
  await writeFile(`${edge.file}.new`, yaml(3))
  await rename(`${edge.file}.new`, edge.file)
  await settle(edge)
  expect(capacities(edge)).toEqual([3])
})

test('a volume of Kubernetes that is swapped is applied', async () => {
  const directory = await freshDirectory()
  for (const [version, capacity] of [
    ['..v1', 1],
    ['..v2', 4],
  ] as const) {
    await mkdir(join(directory, version))
    await writeFile(join(directory, version, 'edge.yaml'), yaml(capacity))
  }
  await symlink('..v1', join(directory, '..data'))
  await symlink(join('..data', 'edge.yaml'), join(directory, 'edge.yaml'))
  const edge = await watched(join(directory, 'edge.yaml'))
  await symlink('..v2', join(directory, '..data_tmp'))
  await rename(join(directory, '..data_tmp'), join(directory, '..data'))
  await settle(edge)
  expect(capacities(edge)).toEqual([4])
})

test('each change starts the wait anew', async () => {
  const edge = await watchedFile()
  await writeFile(`${edge.file}.new`, yaml(2))
  await rename(`${edge.file}.new`, edge.file)
  await edge.timer.armed()
  const before = edge.timer.cancelled
  const seen = Promise.withResolvers<void>()
  const witness = watch(join(edge.file, '..'), (_event, name) => {
    if (name === 'edge.yaml') seen.resolve()
  })
  onTestFinished(() => witness.close())
  await writeFile(`${edge.file}.new`, yaml(5))
  await rename(`${edge.file}.new`, edge.file)
  await seen.promise
  expect(edge.timer.cancelled).toBeGreaterThan(before)
  expect(edge.timer.isArmed).toBe(true)
  await settle(edge)
  expect(capacities(edge)).toEqual([5])
})

test('other files of the directory are none of its business', async () => {
  const edge = await watchedFile()
  const seen = Promise.withResolvers<void>()
  const witness = watch(join(edge.file, '..'), (_event, name) => {
    if (name === 'last.txt') seen.resolve()
  })
  onTestFinished(() => witness.close())
  await writeFile(join(edge.file, '..', 'other.yaml'), 'x')
  await writeFile(join(edge.file, '..', 'last.txt'), 'x')
  await seen.promise
  expect(edge.timer.isArmed).toBe(false)
})

test('a bad file changes nothing, and all its problems are reported', async () => {
  const edge = await watchedFile()
  await writeFile(edge.file, yaml(0, 'log: {level: loud}'))
  await edge.watcher.reload()
  expect(capacities(edge)).toEqual([])
  expect(
    messages(edge)[0]
      ?.split('\n')
      .map((line) => line.split(':', 3).join(':')),
  ).toEqual(['FILE:1:38 limits.a.shares.us.capacity', 'FILE:2:14 log.level'])
})

test('a bad file is reported once, and again for each reload that is asked for', async () => {
  const edge = await watchedFile()
  await writeFile(edge.file, 'limits: 5')
  await settle(edge)
  expect(edge.rejected).toHaveLength(1)
  await writeFile(edge.file, 'limits: 5')
  await edge.timer.armed()
  edge.timer.fire()
  // The reading that the timer asked for has begun by then, so the reload is one of its own.
  await Promise.resolve()
  await edge.watcher.reload()
  expect(edge.rejected).toHaveLength(2)
})

test('a file that says the same is not applied', async () => {
  const edge = await watchedFile()
  await writeFile(edge.file, yaml(1, '# as before'))
  await edge.watcher.reload()
  expect([edge.applied, edge.rejected]).toEqual([[], []])
})

test('a change that needs a restart holds back the whole file', async () => {
  const edge = await watchedFile()
  await writeFile(edge.file, yaml(2, 'http: {port: 81}\nsync: {interval: 60ms}\nlog: {level: warn}'))
  await edge.watcher.reload()
  expect(edge.applied).toEqual([])
  const why = 'a change needs a restart; nothing of the file was put in force'
  expect(messages(edge)).toEqual([`FILE sync.interval: ${why}\nFILE http.port: ${why}`])
  await writeFile(edge.file, yaml(2, 'log: {level: warn}'))
  await edge.watcher.reload()
  expect(edge.applied[0]?.changes.logLevelChanged).toBe(true)
})

test('a configuration that could not be put in force is tried again with the next reload', async () => {
  let failures = 1
  const edge = await watchedFile(() => {
    if (failures-- > 0) throw new Error('no memory')
  })
  await writeFile(edge.file, yaml(2))
  await edge.watcher.reload()
  await edge.watcher.reload()
  expect(messages(edge)).toEqual(['FILE: could not be put in force: Error: no memory'])
  expect(capacities(edge)).toEqual([2])
})

test('a change between the first reading and the watch is not missed', async () => {
  const file = join(await freshDirectory(), 'edge.yaml')
  await writeFile(file, yaml(1))
  const current = await load(file)
  await writeFile(file, yaml(7))
  const applied = Promise.withResolvers<EdgeConfig>()
  const watcher = watchConfig({
    path: file,
    env: {},
    current,
    onConfig: applied.resolve,
    onRejected: (problems) => applied.reject(new Error(formatProblems(problems))),
  })
  onTestFinished(() => watcher.close())
  expect((await applied.promise).limits[0]?.shares['us']?.capacity).toBe(7)
})

test('a directory that can not be watched is reported, and reloading goes on', async () => {
  const file = join(await freshDirectory(), 'edge.yaml')
  await writeFile(file, yaml(1))
  const current = await load(file)
  await rm(join(file, '..'), { recursive: true })
  const rejected: string[] = []
  const watcher = watchConfig({
    path: file,
    env: {},
    current,
    onConfig: () => {},
    onRejected: (problems) => rejected.push(formatProblems(problems)),
  })
  await watcher.reload()
  watcher.close()
  expect(rejected[0]).toMatch(/changes of the file are not noticed .*ENOENT/)
  expect(rejected[1]).toContain('there is no such file')
})

test('nothing is reported after closing', async () => {
  const edge = await watchedFile()
  await writeFile(edge.file, 'limits: 5')
  const reload = edge.watcher.reload()
  edge.watcher.close()
  await reload
  expect([edge.applied, edge.rejected, edge.timer.isArmed]).toEqual([[], [], false])
})

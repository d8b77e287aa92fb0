import { watch, type FSWatcher } from 'node:fs'
import { basename, dirname } from 'node:path'
import { compareConfigs, type ConfigChanges } from './changes.ts'
import type { EdgeConfig } from './edge-config.ts'
import { parseConfig } from './load.ts'
import type { ConfigOverrides, Environment } from './overlay.ts'
import { oneLine, type ConfigProblem } from './problem.ts'
import { fileProblem, readConfigText } from './read-text.ts'

export interface WatchOptions {
  readonly path: string
  /** The same as at the start, so that only the file can make a difference. */
  readonly env: Environment
  readonly overrides?: ConfigOverrides
  /** The configuration in force. */
  readonly current: EdgeConfig
  /** Puts a configuration in force. If it throws, the one before stays in force, and that is reported as a problem. */
  readonly onConfig: (config: EdgeConfig, changes: ConfigChanges) => void
  /** Nothing was changed, because of these problems. */
  readonly onRejected: (problems: readonly ConfigProblem[]) => void
  /** How long the file has to be left alone before it is read, so that it is not read half written. */
  readonly debounceMs?: number
  /** Calls back after a time, unless the answered function is called before. */
  readonly schedule?: Schedule
}

export type Schedule = (callback: () => void, delayMs: number) => () => void

export interface ConfigWatcher {
  /** Reads the file now, as on SIGHUP; resolves when what it says is in force or reported. */
  reload(): Promise<void>
  close(): void
}

const debounceMsDefault = 200
/** The link that Kubernetes swaps to give all files of a volume other contents at once. */
const kubernetesLink = '..data'

/**
 * Reloads a configuration file when it changes: written in place, replaced by a rename, or swapped as Kubernetes does. All or
 * nothing: limits, credentials and the log level change together if the whole file is valid and nothing else in it differs; otherwise nothing
 * changes and all problems are reported. A file that says the same as before is not applied.
 */
export function watchConfig(options: WatchOptions): ConfigWatcher {
  const reloader = new Reloader(options)
  const { path, debounceMs = debounceMsDefault, schedule = scheduleTimer } = options
  const names = new Set([basename(path), kubernetesLink])
  let cancel: (() => void) | undefined
  const onEvent = (_event: string, name: string | null): void => {
    if (name !== null && !names.has(name)) return
    cancel?.()
    cancel = schedule(() => void reloader.reload('ifNewText'), debounceMs)
  }
  const unwatch = watchDirectory(dirname(path), onEvent, (reason) => {
    const message = `changes of the file are not noticed (${reason}): reload on SIGHUP only`
    options.onRejected([fileProblem(path, message)])
  })
  // The file may have changed between its first reading and now.
  void reloader.reload('ifNewText')
  return {
    reload: () => reloader.reload('always'),
    close: () => {
      cancel?.()
      unwatch()
      reloader.close()
    },
  }
}

/** Reads one at a time; what is asked for meanwhile is one more reading. */
class Reloader {
  readonly #options: WatchOptions
  #current: EdgeConfig
  #lastText: string | undefined
  #running: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined
  #nextAlways = false
  #isClosed = false

  constructor(options: WatchOptions) {
    this.#options = options
    this.#current = options.current
  }

  reload(when: 'always' | 'ifNewText'): Promise<void> {
    this.#nextAlways ||= when === 'always'
    this.#next ??= this.#running.then(this.#start, this.#start)
    return this.#next
  }

  close(): void {
    this.#isClosed = true
  }

  readonly #start = (): Promise<void> => {
    const always = this.#nextAlways
    this.#next = undefined
    this.#nextAlways = false
    this.#running = this.#reload(always)
    return this.#running
  }

  async #reload(always: boolean): Promise<void> {
    const { path, env, overrides = {}, onRejected } = this.#options
    const read = await readConfigText(path)
    if (this.#isClosed) return
    if (!read.ok) return onRejected(read.errors)
    if (!always && read.text === this.#lastText) return
    this.#lastText = read.text
    const parsed = parseConfig(read.text, { file: path, env, overrides })
    if (parsed.ok) this.#apply(parsed.config)
    else onRejected(parsed.errors)
  }

  #apply(config: EdgeConfig): void {
    const { path, onConfig, onRejected } = this.#options
    const { changes, needRestart } = compareConfigs(this.#current, config)
    if (needRestart.length > 0)
      return onRejected(
        needRestart.map((field) => ({
          ...fileProblem(path, 'a change needs a restart; nothing of the file was put in force'),
          path: field,
        })),
      )
    if (!changes) return
    try {
      onConfig(config, changes)
      this.#current = config
    } catch (error) {
      onRejected([fileProblem(path, `could not be put in force: ${oneLine(String(error))}`)])
    }
  }
}

function watchDirectory(
  directory: string,
  onEvent: (event: string, name: string | null) => void,
  onFailure: (reason: string) => void,
): () => void {
  let watcher: FSWatcher
  try {
    watcher = watch(directory, { persistent: false }, onEvent)
  } catch (error) {
    onFailure(oneLine(String(error)))
    return () => {}
  }
  watcher.on('error', (error) => onFailure(oneLine(String(error))))
  return () => watcher.close()
}

const scheduleTimer: Schedule = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs).unref()
  return () => clearTimeout(timer)
}

import { cp, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { edgeTargetsFile } from '../edges-file.ts'
import { observabilityFolder } from './assets.ts'
import {
  alertmanagerConfig,
  prometheusConfig,
  type AlertmanagerSettings,
  type PrometheusSettings,
} from './configuration.ts'

/** What a project's stack is, as noted when it was enabled. */
export interface StackNote {
  readonly form: 'local' | 'compose'
  readonly prometheusUrl: string
  readonly alertmanagerUrl: string
}

export interface StackSettings
  extends AlertmanagerSettings, Omit<PrometheusSettings, 'alertmanager' | 'discovery'> {}

const noteSchema = z.object({
  form: z.enum(['local', 'compose']),
  prometheusUrl: z.url(),
  alertmanagerUrl: z.url(),
})

/** Where all of a project's stack is: configurations, rules, data, logs. */
export function stackDirectory(projectDir: string): string {
  return join(projectDir, '.openclaw', 'observability')
}

/** Undefined if no stack was enabled. */
export async function readStackNote(projectDir: string): Promise<StackNote | undefined> {
  const text = await readFile(noteFile(projectDir), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : noteSchema.parse(JSON.parse(text))
}

export function writeStackNote(projectDir: string, note: StackNote): Promise<void> {
  return replaceFile(noteFile(projectDir), `${JSON.stringify(note, null, 2)}\n`)
}

/**
 * Writes what Prometheus and Alertmanager of a project read. Alerts that were imported stay. `targetsDir`, `credentialsFile`
 * and `caFile` are as Prometheus sees them.
 */
export async function writeStackFiles(
  projectDir: string,
  options: StackSettings & { readonly targetsDir: string; readonly alertmanager: string },
): Promise<void> {
  const directory = stackDirectory(projectDir)
  // It holds the addresses that alerts are sent to, which are often secret.
  await mkdir(directory, { recursive: true, mode: 0o700 })
  for (const name of ['rules', 'alerts', 'data/prometheus', 'data/alertmanager'])
    await mkdir(join(directory, name), { recursive: true })
  await mkdir(join(edgeTargetsFile(projectDir), '..'), { recursive: true })
  await cp(join(observabilityFolder(), 'rules'), join(directory, 'rules'), { recursive: true })
  const discovery = {
    file_sd_configs: [{ files: [`${options.targetsDir}/*.json`], refresh_interval: '30s' }],
  }
  await replaceFile(join(directory, 'prometheus.yml'), await prometheusConfig({ ...options, discovery }))
  await replaceFile(join(directory, 'alertmanager.yml'), await alertmanagerConfig(options))
}

/** Files of alerts that were imported, by name. */
export async function importedAlerts(projectDir: string): Promise<string[]> {
  const names = await readdir(join(stackDirectory(projectDir), 'alerts')).catch(() => [])
  return names.filter((name) => name.endsWith('.yaml'))
}

/** Nobody ever reads a half of it, and nobody else may read it. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const draft = `${file}.${process.pid}`
  await writeFile(draft, text, { mode: 0o600 })
  await rename(draft, file)
}

function noteFile(projectDir: string): string {
  return join(stackDirectory(projectDir), 'stack.json')
}

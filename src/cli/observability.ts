import { readFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { readEdges } from '../deploy/edges-file.ts'
import { composeUrls, writeComposeStack } from '../deploy/observability/compose-stack.ts'
import { writeKubernetesStack } from '../deploy/observability/kubernetes-stack.ts'
import {
  findBinaries,
  runningStack,
  startLocalStack,
  stopLocalStack,
} from '../deploy/observability/local-stack.ts'
import type { StackNote, StackSettings } from '../deploy/observability/stack-files.ts'
import { projectAuthorities } from './trust.ts'

export interface EnableOptions {
  readonly form?: 'local' | 'compose' | 'kubernetes'
  readonly prometheusPort?: number
  readonly alertmanagerPort?: number
  readonly webhook?: string
  readonly webhookFile?: string
  readonly alertmanagerConfig?: string
  readonly credentialsFile?: string
  readonly scrapeInterval?: number
  readonly json: boolean
}

const howToInstall =
  'Prometheus and Alertmanager are not both installed (Debian: apt-get install prometheus prometheus-alertmanager)'

/** `openclaw observability enable`: Prometheus and Alertmanager for the edges of the project in the working directory. */
export async function enableObservability(options: EnableOptions): Promise<void> {
  const projectDir = process.cwd()
  const running = await runningStack(projectDir)
  if (running && options.form !== 'kubernetes')
    return reportStack(running, options, 'runs already, and is left as it is')
  const binaries = await findBinaries(process.env['PATH'] ?? '')
  const form = options.form ?? (binaries ? 'local' : 'compose')
  const settings = await readSettings(options)
  if (form === 'kubernetes') {
    const file = relative(projectDir, await writeKubernetesStack(projectDir, settings))
    return reportFile(options, { form, file, run: `kubectl apply -f ${file}` })
  }
  if (form === 'compose') {
    const file = relative(projectDir, await writeComposeStack(projectDir, settings))
    if (!options.form) process.stderr.write(`${howToInstall}: the Compose form is written instead.\n`)
    return reportFile(options, { form, file, run: `docker compose -f ${file} up -d`, ...composeUrls })
  }
  if (!binaries) throw new Error(`${howToInstall}; or take --form compose, or --form kubernetes`)
  const note = await startLocalStack(projectDir, binaries, {
    ...settings,
    prometheusPort: options.prometheusPort,
    alertmanagerPort: options.alertmanagerPort,
  })
  await reportStack(note, options, 'is running')
}

/** `openclaw observability disable`: stops what `enable` started; data and imported alerts stay. */
export async function disableObservability(): Promise<void> {
  const stopped = await stopLocalStack(process.cwd())
  process.stdout.write(stopped ? 'Prometheus and Alertmanager are stopped.\n' : 'Nothing was running.\n')
}

async function readSettings(options: EnableOptions): Promise<StackSettings> {
  const { webhook, webhookFile, alertmanagerConfig, credentialsFile, scrapeInterval } = options
  if (credentialsFile !== undefined) await readFile(credentialsFile)
  const webhookUrl = webhookFile === undefined ? webhook : (await readFile(webhookFile, 'utf8')).trim()
  if (webhookUrl !== undefined && !/^https?:$/.test(URL.parse(webhookUrl)?.protocol ?? ''))
    throw new Error('the webhook is no URL; allowed: http:// or https://')
  return {
    scrapeIntervalMs: scrapeInterval,
    webhookUrl,
    text: alertmanagerConfig === undefined ? undefined : await readFile(alertmanagerConfig, 'utf8'),
    credentialsFile: credentialsFile === undefined ? undefined : resolve(credentialsFile),
    caFile: await projectAuthorities(),
  }
}

async function reportStack(note: StackNote, { json }: EnableOptions, what: string): Promise<void> {
  if (json) return void process.stdout.write(`${JSON.stringify(note)}\n`)
  const edges = await readEdges(process.cwd())
  process.stdout.write(`The observability stack ${what}:
  Prometheus    ${note.prometheusUrl}
  Alertmanager  ${note.alertmanagerUrl}
It scrapes the edges of this project, ${edges.length} now; those that start later are found by themselves.

Import alerts:  openclaw alerts import FILE
Stop it:        openclaw observability disable
`)
}

interface WrittenForm {
  readonly form: string
  readonly file: string
  readonly run: string
  readonly prometheusUrl?: string
  readonly grafanaUrl?: string
}

function reportFile({ json }: EnableOptions, written: WrittenForm): void {
  const addresses = written.grafanaUrl
    ? `Grafana will be at ${written.grafanaUrl}, Prometheus at ${written.prometheusUrl}.\n`
    : ''
  process.stdout.write(
    json ? `${JSON.stringify(written)}\n` : `Written: ${written.file}\nNow run: ${written.run}\n${addresses}`,
  )
}

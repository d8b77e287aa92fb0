import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { formatDuration } from '../../config/duration.ts'
import { observabilityFolder } from './assets.ts'

export interface PrometheusSettings {
  /** How edges are found: that part of their scrape configuration. */
  readonly discovery: Readonly<Record<string, unknown>>
  /** `host:port`. */
  readonly alertmanager: string
  /** A file with the API key or JWT by which edges are read, as Prometheus sees it. */
  readonly credentialsFile?: string | undefined
  /** A file with the authorities of the edges' certificates, as Prometheus sees it; the machine's count without. */
  readonly caFile?: string | undefined
  /** How often edges are scraped and rules evaluated. */
  readonly scrapeIntervalMs?: number | undefined
}

export interface AlertmanagerSettings {
  /** A configuration in place of the product's. */
  readonly text?: string | undefined
  /** Told of alerts too, by the receiver of the root route. */
  readonly webhookUrl?: string | undefined
}

const prometheusSchema = z.looseObject({
  global: z.looseObject({}),
  scrape_configs: z.tuple([z.looseObject({ job_name: z.literal('openclaw') })]),
})
const alertmanagerSchema = z.looseObject({
  route: z.looseObject({ receiver: z.string() }),
  receivers: z.array(z.looseObject({ name: z.string(), webhook_configs: z.array(z.unknown()).optional() })),
})

/** The product's Prometheus configuration, for one stack. It reads `rules/*.yaml` and `alerts/*.yaml` beside it. */
export async function prometheusConfig(settings: PrometheusSettings): Promise<string> {
  const text = await readFile(join(observabilityFolder(), 'prometheus.yml'), 'utf8')
  const { global, scrape_configs: jobs, ...rest } = prometheusSchema.parse(parse(text))
  const { file_sd_configs: _, ...job } = jobs[0]
  const { scrapeIntervalMs, credentialsFile, caFile, discovery, alertmanager } = settings
  const interval = scrapeIntervalMs && formatDuration(scrapeIntervalMs)
  return stringify({
    ...rest,
    global: { ...global, ...(interval && { scrape_interval: interval, evaluation_interval: interval }) },
    alerting: { alertmanagers: [{ static_configs: [{ targets: [alertmanager] }] }] },
    scrape_configs: [
      {
        ...job,
        ...discovery,
        ...(credentialsFile && { authorization: { credentials_file: credentialsFile } }),
        ...(caFile && { tls_config: { ca_file: caFile } }),
      },
    ],
  })
}

/** The Alertmanager configuration, for one stack. @throws {Error} when the webhook has no receiver to go to. */
export async function alertmanagerConfig({ text, webhookUrl }: AlertmanagerSettings): Promise<string> {
  const original = text ?? (await readFile(join(observabilityFolder(), 'alertmanager.yml'), 'utf8'))
  if (webhookUrl === undefined) return original
  const parsed = alertmanagerSchema.safeParse(parse(original))
  const root = parsed.data?.receivers.find(({ name }) => name === parsed.data.route.receiver)
  if (!root)
    throw new Error(
      'the Alertmanager configuration has no receiver that its route names: the webhook goes nowhere',
    )
  root.webhook_configs = [...(root.webhook_configs ?? []), { url: webhookUrl, send_resolved: true }]
  return stringify(parsed.data)
}

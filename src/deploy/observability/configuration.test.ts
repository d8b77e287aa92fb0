import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { alertmanagerConfig, prometheusConfig } from './configuration.ts'

const discovery = { file_sd_configs: [{ files: ['/targets/*.json'] }] }

test('the product’s Prometheus configuration is kept, but for where edges and Alertmanager are', async () => {
  const config: unknown = parse(await prometheusConfig({ discovery, alertmanager: '127.0.0.1:1234' }))
  expect(config).toMatchObject({
    rule_files: ['rules/*.yaml', 'alerts/*.yaml'],
    alerting: { alertmanagers: [{ static_configs: [{ targets: ['127.0.0.1:1234'] }] }] },
    scrape_configs: [{ job_name: 'openclaw', honor_labels: true, ...discovery }],
  })
  expect(config).not.toHaveProperty('scrape_configs.0.authorization')
  expect(config).not.toHaveProperty('scrape_configs.0.tls_config')
})

test('interval, credentials and authorities are as wished', async () => {
  const text = await prometheusConfig({
    discovery: { kubernetes_sd_configs: [{ role: 'pod' }] },
    alertmanager: 'alertmanager:9093',
    scrapeIntervalMs: 1500,
    credentialsFile: '/run/key',
    caFile: '/run/ca.pem',
  })
  const config: unknown = parse(text)
  expect(config).toMatchObject({
    global: { scrape_interval: '1500ms', evaluation_interval: '1500ms' },
    scrape_configs: [
      { authorization: { credentials_file: '/run/key' }, tls_config: { ca_file: '/run/ca.pem' } },
    ],
  })
  expect(config).not.toHaveProperty('scrape_configs.0.file_sd_configs')
})

test('a webhook is told by the receiver of the root route, beside what that does already', async () => {
  const webhookUrl = 'http://127.0.0.1:9/alerts'
  const webhook = { url: webhookUrl, send_resolved: true }
  expect(parse(await alertmanagerConfig({ webhookUrl }))).toMatchObject({
    receivers: [{ webhook_configs: [webhook] }],
  })
  const text =
    'route: { receiver: b }\nreceivers: [{ name: a }, { name: b, webhook_configs: [{ url: "http://x/" }] }]\n'
  expect(parse(await alertmanagerConfig({ webhookUrl, text }))).toMatchObject({
    receivers: [{ name: 'a' }, { name: 'b', webhook_configs: [{ url: 'http://x/' }, webhook] }],
  })
  expect(await alertmanagerConfig({ text })).toBe(text)
  await expect(alertmanagerConfig({ webhookUrl, text: 'route: {}' })).rejects.toThrow(
    'the webhook goes nowhere',
  )
})

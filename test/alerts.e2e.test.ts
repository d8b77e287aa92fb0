import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { removeEdges, writeEdges } from '../src/deploy/edges-file.ts'
import { startCli, type CliProcess } from './support/cli.ts'
import { eventually } from './support/eventually.ts'
import { alertsFile, rulesOf, textOf } from './support/observability-files.ts'
import { installPrometheus } from './support/prometheus.ts'
import { Regions, regions } from './support/regions.ts'
import { startWebhookReceiver, type NotifiedAlert, type WebhookReceiver } from './support/webhook-receiver.ts'

const limits = `limits:
  ratings: { shares: { us: { capacity: 5000, refill_per_sec: 500 }, eu: { capacity: 5000, refill_per_sec: 500 }, ap: { capacity: 5000, refill_per_sec: 500 } } }
  api: { shares: { us: { capacity: 20, refill_per_sec: 2 }, eu: { capacity: 20, refill_per_sec: 2 }, ap: { capacity: 20, refill_per_sec: 2 } } }
`
let cluster: Regions
let webhook: WebhookReceiver
let projectDir: string
let alerts: string
let prometheusUrl: string
let load: CliProcess

beforeAll(async () => {
  installPrometheus()
  webhook = await startWebhookReceiver()
  projectDir = await mkdtemp(join(tmpdir(), 'openclaw-alerts-'))
  alerts = join(projectDir, 'openclaw-alerts.yaml')
  await writeFile(alerts, hurried(textOf(alertsFile)))
  await writeFile(
    join(projectDir, 'alertmanager.yml'),
    hurried(textOf('deploy/observability/alertmanager.yml')),
  )
  cluster = await Regions.start(limits)
  await writeEdges(
    projectDir,
    regions.map((region) => ({ replica: `${region}/0`, url: cluster.url(region) })),
  )
  load = startLoad('--rate', '20')
})

afterAll(async () => {
  await load.stop()
  await openclaw('observability', 'disable')
  await removeEdges(projectDir)
  await cluster.stop()
  webhook.close()
  await rm(projectDir, { recursive: true, force: true })
})

/** The same rules and routes, with windows and waits of seconds in place of minutes. */
function hurried(text: string): string {
  return text
    .replaceAll(/\[\d+m\]/g, '[5s]')
    .replaceAll(/^(\s+for): \w+$/gm, '$1: 1s')
    .replaceAll(/^(\s+group_(?:wait|interval)): \w+$/gm, '$1: 1s')
}

/** `openclaw load` on the edges of the project, until it is stopped. */
function startLoad(...args: string[]): CliProcess {
  return startCli(['load', '--duration', '1h', '--ramp', '0s', ...args], { cwd: projectDir })
}

async function openclaw(...args: string[]): Promise<{ code: number | null; output: string }> {
  const command = startCli(args, { cwd: projectDir, env: { NO_COLOR: '1' } })
  const code = await command.ended()
  return { code, output: command.output() }
}

/** Waits until the webhook was told of an alert with these labels. */
const toldOf = (
  alertname: string,
  status: 'firing' | 'resolved',
  labels: Record<string, string>,
): Promise<NotifiedAlert> =>
  eventually(() => {
    const alert = webhook
      .told(alertname, status)
      .find((each) => Object.entries(labels).every(([name, value]) => each.labels[name] === value))
    if (alert) return alert
    throw new Error(
      `not told that ${alertname} is ${status}: ${JSON.stringify(webhook.notifications, null, 1)}`,
    )
  })

test('`observability enable` starts Prometheus and Alertmanager, once, and they see the edges', async () => {
  const args = ['observability', 'enable', '--stack', 'openclaw', '--json', '--scrape-interval', '1s']
  const ports = ['--prometheus-port', '0', '--alertmanager-port', '0']
  const routing = ['--alertmanager-config', 'alertmanager.yml', '--webhook', webhook.url]
  const enabled = await openclaw(...args, ...ports, ...routing)
  expect(enabled.code).toBe(0)
  const addresses = JSON.parse(enabled.output) as Record<string, string>
  prometheusUrl = addresses['prometheusUrl']!
  expect((await fetch(`${addresses['alertmanagerUrl']}/-/ready`)).status).toBe(200)
  expect(JSON.parse((await openclaw(...args)).output)).toEqual(addresses)
  await eventually(async () => {
    const { data } = (await (await fetch(`${prometheusUrl}/api/v1/targets`)).json()) as {
      data: { activeTargets: { health: string; labels: Record<string, string> }[] }
    }
    const up = data.activeTargets
      .filter(({ health }) => health === 'up')
      .map(({ labels }) => labels['region'])
    expect(new Set(up)).toEqual(new Set(regions))
  })
})

test('`alerts import` refuses a bad file, says where it is wrong, and changes nothing', async () => {
  const bad = join(projectDir, 'bad.yaml')
  await writeFile(bad, (await readFile(alerts, 'utf8')).replace('sum by (region, le)', 'sum by region, le)'))
  const { code, output } = await openclaw('alerts', 'import', bad)
  expect(code).toBe(2)
  // As the file has it: the second line of the block.
  expect(output).toMatch(/bad\.yaml:9:20 groups\[0\]\.rules\[0\]\.expr: unexpected identifier "region"/)
  expect(output).toContain('Nothing was changed.')
  expect(await activeAlerts()).toEqual([])
})

test('`alerts import` loads the alerts of the product, and shows that they are active', async () => {
  const names = rulesOf(alertsFile).map(({ alert }) => alert!)
  const { code, output } = await openclaw('alerts', 'import', alerts)
  expect(code).toBe(0)
  expect(output).toContain(`${names.length} rules are active.`)
  for (const name of names) expect(output).toContain(name)
  expect((await activeAlerts()).toSorted()).toEqual(names.toSorted())
})

test('`status` shows every region at work', async () => {
  await eventually(async () => {
    const { code, output } = await openclaw('status', '--json')
    const { edges } = JSON.parse(output) as {
      edges: { replica: string; requestsPerSec: number; p95Ms: number }[]
    }
    expect(edges.map(({ replica }) => replica)).toEqual(regions.map((region) => `${region}/0`))
    for (const { requestsPerSec, p95Ms } of edges) expect(Math.min(requestsPerSec, p95Ms)).toBeGreaterThan(0)
    expect(code).toBe(0)
  })
})

test('a region that is cut off makes the contact alert fire, and its return resolves it', async () => {
  expect(webhook.told('OpenClawRegionOutOfContact', 'firing')).toEqual([])
  cluster.cut('ap')
  const fired = await toldOf('OpenClawRegionOutOfContact', 'firing', { region: 'us', peer_region: 'ap' })
  expect(fired).toMatchObject({
    labels: { severity: 'critical' },
    annotations: {
      summary: 'us is out of contact with ap',
      runbook: 'docs/runbooks/region-out-of-contact.md',
    },
  })
  await toldOf('OpenClawRegionOutOfContact', 'firing', { region: 'ap', peer_region: 'us' })
  const { code, output } = await openclaw('status')
  expect(code).toBe(1)
  expect(output).toMatch(/^us\/0 .* 1 of 2 /m)
  expect(webhook.told('OpenClawRegionOutOfContact', 'firing').map(({ labels }) => labels)).not.toContainEqual(
    expect.objectContaining({ region: 'us', peer_region: 'eu' }),
  )
  cluster.heal('ap')
  const resolved = await toldOf('OpenClawRegionOutOfContact', 'resolved', { region: 'us', peer_region: 'ap' })
  expect(Date.parse(resolved.endsAt)).toBeGreaterThan(Date.parse(fired.startsAt))
})

test('exhausted users make the depletion alert fire, for their limit only', async () => {
  expect(webhook.told('OpenClawTokenDepletion', 'firing')).toEqual([])
  // Four users, who want ten times what refills.
  const exhausting = startLoad('--workload', 'take', '--limit', 'api', '--users', '4', '--rate', '80')
  const fired = await toldOf('OpenClawTokenDepletion', 'firing', { region: 'us', limit: 'api' })
  expect(fired.labels).toMatchObject({ severity: 'warning' })
  await exhausting.stop()
  await toldOf('OpenClawTokenDepletion', 'resolved', { region: 'us', limit: 'api' })
  const told = webhook.told('OpenClawTokenDepletion', 'firing')
  expect(new Set(told.map(({ labels }) => labels['limit']))).toEqual(new Set(['api']))
})

test('a store that has stopped makes the error alert fire, and its return resolves it', async () => {
  await eventually(() => {
    // What the cut made fail is over.
    expect(webhook.told('OpenClawErrorRate', 'resolved').length).toBe(
      webhook.told('OpenClawErrorRate', 'firing').length,
    )
  })
  const before = webhook.told('OpenClawErrorRate', 'firing').length
  await cluster.postgres.kill()
  await eventually(() => expect(webhook.told('OpenClawErrorRate', 'firing').length).toBeGreaterThan(before))
  const fired = await toldOf('OpenClawErrorRate', 'firing', { region: 'us' })
  expect(fired.annotations['description']).toMatch(/^[\d.]+% of the requests to region us were answered 5xx/)
  await toldOf('OpenClawStoreUnreachable', 'firing', { region: 'us' })
  await cluster.postgres.restart()
  await toldOf('OpenClawErrorRate', 'resolved', { region: 'us' })
})

test('`observability disable` stops both', async () => {
  expect((await openclaw('observability', 'disable')).output).toContain('are stopped')
  await expect(fetch(`${prometheusUrl}/-/ready`)).rejects.toThrow('fetch failed')
  expect((await openclaw('alerts', 'import', alerts)).code).toBe(3)
})

async function activeAlerts(): Promise<string[]> {
  const answer = await fetch(`${prometheusUrl}/api/v1/rules?type=alert`)
  const { data } = (await answer.json()) as { data: { groups: { rules: { name: string }[] }[] } }
  return data.groups.flatMap(({ rules }) => rules.map(({ name }) => name))
}

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What Alertmanager posts to a webhook. https://prometheus.io/docs/alerting/latest/configuration/#webhook_config */
export interface Notification {
  readonly version: string
  readonly receiver: string
  readonly status: 'firing' | 'resolved'
  readonly alerts: readonly NotifiedAlert[]
}

export interface NotifiedAlert {
  readonly status: 'firing' | 'resolved'
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly startsAt: string
  readonly endsAt: string
}

export interface WebhookReceiver {
  readonly url: string
  readonly notifications: readonly Notification[]
  /** Alerts of a name that were told of with a status, in the order of their coming. */
  told(alertname: string, status: 'firing' | 'resolved'): NotifiedAlert[]
  close(): void
}

export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const notifications: Notification[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
    request.on('end', () => {
      notifications.push(JSON.parse(body) as Notification)
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/alerts`,
    notifications,
    told: (alertname, status) =>
      notifications
        .flatMap(({ alerts }) => alerts)
        .filter((alert) => alert.labels['alertname'] === alertname && alert.status === status),
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

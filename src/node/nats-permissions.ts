import type { EdgeConfig } from '../config/edge-config.ts'
import { natsPermissions } from '../replication/nats-permissions.ts'
import type { ReplicaId } from '../replication/transport.ts'

export interface PermissionsOptions {
  readonly replica: ReplicaId
  /** Whether limits may be applied through this replica. */
  readonly mayApply: boolean
}

/** A replica's permissions as nats-server's configuration holds them, for its user. */
export function formatNatsPermissions(
  { name, nats }: Pick<EdgeConfig['cluster'], 'name' | 'nats'>,
  { replica, mayApply }: PermissionsOptions,
): string {
  const { publish, subscribe } = natsPermissions(name, replica, {
    mayApply,
    domain: nats?.jetStreamDomain ?? undefined,
  })
  return `permissions {\n  publish: [\n${list(publish)}\n  ]\n  subscribe: [\n${list(subscribe)}\n  ]\n}\n`
}

function list(subjects: readonly string[]): string {
  return subjects.map((subject) => `    ${JSON.stringify(subject)}`).join('\n')
}

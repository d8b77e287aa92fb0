import type { Identity } from '../auth/authenticator.ts'
import type { LimitsOutcome, LimitsVersion, LimitsVersions } from '../limits-versions.ts'
import { operation, type Answer, type Services } from '../operation.ts'
import { ProblemError } from '../problems.ts'
import * as schemas from '../schemas.ts'

function shared({ limitsVersions }: Services): LimitsVersions {
  if (limitsVersions) return limitsVersions
  const detail = 'it is not joined to others by a NATS with JetStream: change its file'
  throw new ProblemError('limits-not-shared', detail)
}

const nameOf = ({ subject }: Identity): string => subject ?? 'unknown'

function summaryOf(version: LimitsVersion | undefined): Record<string, unknown> {
  if (!version) return { version: 0, digest: null, by: null, at: null, note: 'the limits of the file' }
  const { version: number, digest, by, at, note } = version
  return { version: number, digest, by, at, note }
}

function mark(of: LimitsVersion | undefined): Record<string, unknown> {
  return { version: of?.version ?? 0, digest: of?.digest ?? null }
}

function outcome({ before, version, applied, pending }: LimitsOutcome): Answer {
  return {
    status: 200,
    json: { before: summaryOf(before), after: version ? summaryOf(version) : null, applied, pending },
    audited: { before: mark(before), after: version ? mark(version) : null },
  }
}

export const configurationOperations = [
  operation({
    method: 'get',
    path: '/v1/config/limits',
    summary: 'Read the limits that all regions agreed on; version 0 while each has those of its file.',
    tag: 'Configuration',
    scope: 'read',
    success: { status: 200, description: 'The version in force.', schema: schemas.limitsVersion },
    handle: ({ limitsVersions }): Answer => {
      const current = limitsVersions?.current()
      return { status: 200, json: { ...summaryOf(current), document: current?.document ?? null } }
    },
  }),
  operation({
    method: 'put',
    path: '/v1/config/limits',
    summary: 'Put other limits in force in all regions, or in none.',
    tag: 'Configuration',
    scope: 'admin',
    audit: 'limits.apply',
    query: schemas.applyQuery,
    body: schemas.limitsDocument,
    success: { status: 200, description: 'They are in force.', schema: schemas.limitsOutcome },
    problems: ['limits-not-shared', 'not-agreed', 'limits-unreachable'],
    handle: async (services, { body, query, identity }): Promise<Answer> =>
      outcome(
        await shared(services).apply({
          document: body,
          by: nameOf(identity),
          dryRun: query.dryRun === 'true',
        }),
      ),
  }),
  operation({
    method: 'post',
    path: '/v1/config/limits/rollback',
    summary: 'Put an earlier version in force again, in all regions or in none.',
    tag: 'Configuration',
    scope: 'admin',
    audit: 'limits.rollback',
    body: schemas.rollbackBody,
    success: { status: 200, description: 'It is in force.', schema: schemas.limitsOutcome },
    problems: ['limits-not-shared', 'not-found', 'not-agreed', 'limits-unreachable'],
    handle: async (services, { body, identity }): Promise<Answer> =>
      outcome(await shared(services).rollback({ to: body.to, by: nameOf(identity) })),
  }),
  operation({
    method: 'get',
    path: '/v1/config/limits/history',
    summary: 'Read which versions there were.',
    tag: 'Configuration',
    scope: 'read',
    success: { status: 200, description: 'The newest first.', schema: schemas.limitsHistory },
    problems: ['limits-not-shared', 'limits-unreachable'],
    handle: async (services): Promise<Answer> => {
      const versions = await shared(services).history()
      return { status: 200, json: { items: versions.toReversed().map(summaryOf) } }
    },
  }),
]

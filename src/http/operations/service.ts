import { operation, type Answer } from '../operation.ts'
import * as schemas from '../schemas.ts'

export const serviceOperations = [
  operation({
    method: 'get',
    path: '/health',
    summary: 'Whether the process is alive.',
    tag: 'Service',
    success: { status: 200, description: 'It is.', schema: schemas.ok },
    handle: (): Answer => ({ status: 200, json: { status: 'ok' } }),
  }),
  operation({
    method: 'get',
    path: '/ready',
    summary: 'Whether the node can serve; 503 if not, with the reasons.',
    tag: 'Service',
    success: { status: 200, description: 'It can.', schema: schemas.readiness },
    handle: ({ ready }): Answer => {
      const { ready: isReady, checks } = ready()
      return { status: isReady ? 200 : 503, json: { status: isReady ? 'ready' : 'not ready', checks } }
    },
  }),
  operation({
    method: 'get',
    path: '/metrics',
    summary: "Metrics in Prometheus' text format.",
    tag: 'Service',
    scope: 'read',
    success: { status: 200, description: 'The metrics.', contentType: 'text/plain' },
    handle: async ({ metrics }): Promise<Answer> => {
      const { contentType, body } = await metrics()
      return { status: 200, headers: { 'content-type': contentType }, text: body }
    },
  }),
]

import { Socket } from 'node:net'
import type { FromEdge, ToEdge } from '../deploy/local/edge-messages.ts'
import type { Edge } from '../node/edge.ts'

/** Serves the connections that a supervisor hands over, if there is one; resolves when it says stop, or is gone. */
export function untilSupervisorStops(edge: Edge): Promise<void> {
  if (!process.send) return new Promise(() => {})
  // It was killed while this process started.
  if (!process.connected) return Promise.resolve()
  return new Promise((resolve) => {
    process.on('message', (message: ToEdge, handle: unknown) => {
      if (message.type === 'stop') return resolve()
      tell({ type: 'taken', id: message.id })
      // Undefined if the caller hung up on the way.
      if (handle instanceof Socket) edge.take(handle)
    })
    process.once('disconnect', () => resolve())
    tell({ type: 'listening', url: edge.url })
  })
}

/** A supervisor that is gone is noticed by itself. */
function tell(message: FromEdge): void {
  process.send?.(message, undefined, undefined, () => {})
}

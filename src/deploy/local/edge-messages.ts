/**
 * Between the supervisor and an edge, over Node's channel between processes. Messages arrive in order, so an edge has got every
 * connection by the time it is told to stop.
 */
export type ToEdge =
  /** Comes with a connection, as a handle. */
  | { readonly type: 'connection' }
  /** Finish what is under way, and end. */
  | { readonly type: 'stop' }

export type FromEdge =
  /** The address of this one process, where it can be asked whether it is ready. */
  { readonly type: 'listening'; readonly url: string }

/**
 * Between the supervisor and an edge, over Node's channel between processes. Messages arrive in order, so an edge has got every
 * connection by the time it is told to stop.
 */
export type ToEdge =
  /** Comes with a connection, as a handle; to be answered by `taken`. */
  | { readonly type: 'connection'; readonly id: number }
  /** Finish what is under way, and end. */
  | { readonly type: 'stop' }

export type FromEdge =
  /** The address of this one process, where it can be asked whether it is ready. */
  | { readonly type: 'listening'; readonly url: string }
  /** The connection is the edge's from now on. */
  | { readonly type: 'taken'; readonly id: number }

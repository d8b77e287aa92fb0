import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'

/** Takes over a connection from which nothing was read yet; answers whether it could. */
export interface ConnectionTaker {
  take(socket: Socket): Promise<boolean>
}

/** Connections that wait for an edge, and how long. */
const waitingMax = 1024
const waitMsMax = 15_000

/**
 * A region's stable address. It accepts connections and gives each to the edge that serves at the time, unread, by handing over its
 * socket: after that nothing stands between caller and edge. While no edge serves, connections wait; so neither a restart nor
 * a new release refuses any.
 */
export class Front {
  readonly #server: Server
  readonly #waiting = new Set<Socket>()
  #taker: ConnectionTaker | undefined

  private constructor() {
    this.#server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#accepted(socket))
  }

  /** @throws if the address is in use. */
  static async listen(address: { readonly host: string; readonly port: number }): Promise<Front> {
    const front = new Front()
    front.#server.listen(address)
    await once(front.#server, 'listening')
    return front
  }

  /** Who gets connections from now on, those that wait first; undefined for nobody. */
  serveBy(taker: ConnectionTaker | undefined): void {
    this.#taker = taker
    if (!taker) return
    for (const socket of this.#waiting) void this.#give(socket, taker)
    this.#waiting.clear()
  }

  /** From now on connections are refused; those that were handed over are their edge's affair. */
  close(): void {
    this.#taker = undefined
    for (const socket of this.#waiting) socket.destroy()
    this.#server.close()
  }

  #accepted(socket: Socket): void {
    socket.on('error', () => {})
    if (this.#taker) void this.#give(socket, this.#taker)
    else this.#wait(socket)
  }

  async #give(socket: Socket, taker: ConnectionTaker): Promise<void> {
    if ((await taker.take(socket)) || socket.destroyed) return
    if (this.#taker && this.#taker !== taker) await this.#give(socket, this.#taker)
    else this.#wait(socket)
  }

  #wait(socket: Socket): void {
    if (this.#waiting.size >= waitingMax || !this.#server.listening) {
      socket.destroy()
      return
    }
    this.#waiting.add(socket)
    setTimeout(() => {
      if (this.#waiting.delete(socket)) socket.destroy()
    }, waitMsMax).unref()
  }
}

import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { once } from 'node:events'

/** A TCP proxy on loopback that stands for the way between two regions: what passes takes its time, and the way can be cut. */
export interface DelayingProxy {
  readonly port: number
  /** From now on nothing passes, either way. Connections stay, as when packets are lost. */
  cut(): void
  /** What was held back passes now, late, as when TCP sends it again. */
  heal(): void
  /** Ends all connections at once, as when a machine on the way starts anew; what is on the way is gone. */
  reset(): void
  close(): Promise<void>
}

export interface DelayingProxyOptions {
  readonly targetPort: number
  /** Each way. */
  readonly delayMs: number
}

/** Bytes on the way, for each connection and direction; beyond them the sender has to wait. */
const onTheWayMax = 4 * 1024 * 1024

export async function startDelayingProxy(options: DelayingProxyOptions): Promise<DelayingProxy> {
  const proxy = new Proxy(options)
  proxy.server.listen(0, '127.0.0.1')
  await once(proxy.server, 'listening')
  return proxy
}

class Proxy implements DelayingProxy {
  readonly server: Server
  readonly #sockets = new Set<Socket>()
  readonly #lanes = new Set<Lane>()
  #isCut = false

  constructor({ targetPort, delayMs }: DelayingProxyOptions) {
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      const target = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
      this.#join(client, target, delayMs)
      this.#join(target, client, delayMs)
    })
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  cut(): void {
    this.#isCut = true
  }

  heal(): void {
    this.#isCut = false
    for (const lane of this.#lanes) lane.deliver()
  }

  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.server.close()
    await once(this.server, 'close')
  }

  #join(from: Socket, to: Socket, delayMs: number): void {
    const lane = new Lane(from, to, { delayMs, isCut: () => this.#isCut })
    this.#lanes.add(lane)
    this.#sockets.add(from)
    from.on('close', () => this.#sockets.delete(from))
    to.on('close', () => this.#lanes.delete(lane))
  }
}

interface OnTheWay {
  readonly dueMs: number
  readonly bytes: number
  readonly arrive: () => void
}

/** One direction of a connection. */
class Lane {
  readonly #queue: OnTheWay[] = []
  readonly #from: Socket
  readonly #options: { delayMs: number; isCut: () => boolean }
  #bytes = 0

  constructor(from: Socket, to: Socket, options: { delayMs: number; isCut: () => boolean }) {
    this.#from = from
    this.#options = options
    from.on('data', (chunk) => this.#send(chunk.length, () => to.write(chunk)))
    from.on('end', () => this.#send(0, () => to.end()))
    from.on('error', () => {})
    from.on('close', (hadError) => this.#send(0, () => (hadError ? to.resetAndDestroy() : to.destroySoon())))
  }

  /** All that is due, in order. */
  deliver(): void {
    const nowMs = performance.now()
    while (!this.#options.isCut() && this.#queue.length > 0 && this.#queue[0]!.dueMs <= nowMs) {
      const { bytes, arrive } = this.#queue.shift()!
      this.#bytes -= bytes
      arrive()
    }
    if (this.#bytes < onTheWayMax) this.#from.resume()
  }

  #send(bytes: number, arrive: () => void): void {
    const { delayMs } = this.#options
    this.#queue.push({ dueMs: performance.now() + delayMs, bytes, arrive })
    this.#bytes += bytes
    if (this.#bytes >= onTheWayMax) this.#from.pause()
    // A timer may be early by less than a millisecond.
    setTimeout(() => this.deliver(), delayMs + 1)
  }
}

import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { chmod, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

/** What the supervisor is asked to do, and what it says meanwhile: lines, and at the end one answer or one problem. */
export interface ControlHandler {
  handle(command: string, onStep: (text: string) => void): Promise<unknown>
}

type Line = { step: string } | { answer: unknown } | { problem: string; kind: string }

/** The supervisor could not do what it was asked to. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
  /** The name of the error at its side. */
  readonly kind: string

  constructor(problem: string, kind: string) {
    super(problem)
    this.kind = kind
  }
}

/** Serves commands on a socket that only its owner reaches. @throws if another process serves there. */
export async function serveControl(
  socketPath: string,
  handler: ControlHandler,
): Promise<{ close(): Promise<void> }> {
  if (await isServed(socketPath)) throw new Error(`another supervisor serves ${socketPath}`)
  await rm(socketPath, { force: true })
  const server = createServer((incoming, outgoing) => void answer(handler, incoming, outgoing))
  server.requestTimeout = 0
  server.listen(socketPath)
  await once(server, 'listening')
  await chmod(socketPath, 0o600)
  return {
    close: async () => {
      // Answers under way are finished.
      server.close()
      await once(server, 'close')
      await rm(socketPath, { force: true })
    },
  }
}

async function answer(
  handler: ControlHandler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  const say = (line: Line): void => void outgoing.write(`${JSON.stringify(line)}\n`)
  incoming.resume()
  // Who asked may be gone by now: what was begun is finished.
  outgoing.on('error', () => {})
  try {
    const command = decodeURI(incoming.url ?? '').slice(1)
    say({ answer: (await handler.handle(command, (step) => say({ step }))) ?? null })
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    say({ problem, kind: error instanceof Error ? error.name : 'Error' })
  }
  outgoing.end()
}

/** Whether a process listens on the socket. */
export function isServed(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath)
    const done = (isThere: boolean): void => {
      socket.destroy()
      resolve(isThere)
    }
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
  })
}

/** Asks a supervisor; answers what it answers. @throws {ControlError} */
export async function askSupervisor(
  socketPath: string,
  command: string,
  onStep: (text: string) => void,
): Promise<unknown> {
  const outgoing = request({ socketPath, path: `/${encodeURI(command)}`, method: 'POST' }).end()
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the event of this name comes with
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
  for await (const text of createInterface({ input: incoming })) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by the same version of this file
    const line = JSON.parse(text) as Line
    if ('step' in line) onStep(line.step)
    else if ('answer' in line) return line.answer
    else throw new ControlError(line.problem, line.kind)
  }
  throw new ControlError('the supervisor ended before it answered', 'Ended')
}

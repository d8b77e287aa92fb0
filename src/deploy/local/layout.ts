import { join, relative } from 'node:path'

/** Where the local target keeps what; all of it under the project's `.openclaw`, which `destroy` removes. */
export const layout = (projectDir: string) => {
  const root = join(projectDir, '.openclaw')
  return {
    root,
    addresses: join(root, 'local.json'),
    socket: shorter(join(root, 'control.sock')),
    /** The servers that run, for who comes after a supervisor that was killed. */
    processes: join(root, 'processes.json'),
    logs: join(root, 'logs'),
    log: (name: string) => join(root, 'logs', `${name}.log`),
    natsSeed: join(root, 'nats', 'edge.nk'),
    nats: (region: string) => join(root, 'nats', region),
    postgres: join(root, 'postgres'),
  }
}

export type Layout = ReturnType<typeof layout>

/** The path of a socket may have about 100 bytes; from within the project it has few. */
function shorter(path: string): string {
  const fromHere = relative(process.cwd(), path)
  return fromHere.length < path.length ? fromHere : path
}

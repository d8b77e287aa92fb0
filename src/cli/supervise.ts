import { Supervisor } from '../deploy/local/supervisor.ts'
import { ownCommand } from './project.ts'
import { untilStopped } from './until-stopped.ts'

/** `openclaw supervise`, which `deploy` starts: runs a project's edges on this machine until it is told to stop. */
export async function supervise(): Promise<void> {
  // The terminal that it was started from may be closed.
  process.on('SIGHUP', () => {})
  await Supervisor.run(
    { projectDir: process.cwd(), edgeCommand: ownCommand },
    untilStopped(['SIGINT', 'SIGTERM']),
  )
  process.exit(0)
}

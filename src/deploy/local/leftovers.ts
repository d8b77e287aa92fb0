import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { replaceFile } from '../project.ts'

const schema = z.array(
  z.object({
    name: z.string(),
    pid: z.int().min(1),
    started: z.string(),
    /** An edge is ended before the servers: it needs them for what it has under way. */
    isEdge: z.boolean(),
    /** How long it may take to end before it is killed. */
    stopTimeoutMs: z.number(),
  }),
)

/** A process that was started, told from a later one of the same number by when it began. */
export type StartedProcess = Readonly<z.infer<typeof schema>[number]>

const pauseMs = 50

export async function noteProcesses(
  file: string,
  processes: readonly Omit<StartedProcess, 'started'>[],
): Promise<void> {
  const noted = processes.flatMap((one) => {
    const started = startOf(one.pid)
    return started === undefined ? [] : [{ ...one, started }]
  })
  await replaceFile(file, `${JSON.stringify(noted)}\n`, 0o600)
}

/** Ends the processes of a file that still run, such as after their supervisor was killed; answers which. */
export async function endLeftovers(file: string): Promise<readonly string[]> {
  const text = await readFile(file, 'utf8').catch(() => '[]')
  const left = schema.parse(JSON.parse(text)).filter(isRunning)
  await end(
    left.filter(({ isEdge }) => isEdge),
    'SIGTERM',
  )
  await end(
    left.filter(({ isEdge }) => !isEdge),
    'SIGINT',
  )
  await rm(file, { force: true })
  return left.map(({ name }) => name)
}

async function end(processes: readonly StartedProcess[], signal: NodeJS.Signals): Promise<void> {
  for (const one of processes.filter(isRunning)) process.kill(one.pid, signal)
  const startedMs = performance.now()
  for (let left = processes.filter(isRunning); left.length > 0; left = left.filter(isRunning)) {
    const waitedMs = performance.now() - startedMs
    for (const one of left) {
      if (waitedMs > one.stopTimeoutMs) process.kill(one.pid, 'SIGKILL')
    }
    await sleep(pauseMs)
  }
}

function isRunning({ pid, started }: StartedProcess): boolean {
  return startOf(pid) === started
}

/** When a process began, in a form that is only good for comparing; undefined if there is none. */
function startOf(pid: number): string | undefined {
  if (process.platform !== 'linux') {
    const { stdout } = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
    return stdout.trim() || undefined
  }
  try {
    // Behind the name, which may hold anything, the state is the first field and the start the 20th (proc(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

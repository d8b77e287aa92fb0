import { access, constants } from 'node:fs/promises'
import { createServer } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { edgeTargetsFile } from '../edges-file.ts'
import { runningPid, startInBackground, stopInBackground } from './background-process.ts'
import {
  readStackNote,
  stackDirectory,
  writeStackFiles,
  writeStackNote,
  type StackNote,
  type StackSettings,
} from './stack-files.ts'

export interface Binaries {
  readonly prometheus: string
  readonly alertmanager: string
}

export interface LocalStackOptions extends StackSettings {
  /** 0: any free port. Undefined: the usual one, or any free one if that is in use. */
  readonly prometheusPort: number | undefined
  readonly alertmanagerPort: number | undefined
}

const programs = ['prometheus', 'alertmanager'] as const
type Program = (typeof programs)[number]
const usualPorts: Record<Program, number> = { prometheus: 9090, alertmanager: 9093 }
/** As upstream and as Debian calls them. */
const commands: Record<Program, readonly string[]> = {
  prometheus: ['prometheus'],
  alertmanager: ['alertmanager', 'prometheus-alertmanager'],
}

/** Prometheus and Alertmanager, where `path` (as the variable PATH) has both. */
export async function findBinaries(path: string): Promise<Binaries | undefined> {
  const [prometheus, alertmanager] = await Promise.all(
    programs.map((program) => findCommand(commands[program], path)),
  )
  return prometheus !== undefined && alertmanager !== undefined ? { prometheus, alertmanager } : undefined
}

/** The stack of a project, if both of its programs run on this machine. */
export async function runningStack(projectDir: string): Promise<StackNote | undefined> {
  const note = await readStackNote(projectDir)
  const directory = stackDirectory(projectDir)
  const pids = await Promise.all(programs.map((name) => runningPid({ name, directory })))
  return note?.form === 'local' && pids.every((pid) => pid !== undefined) ? note : undefined
}

/**
 * Starts Prometheus and Alertmanager for the edges of a project, on loopback; they go on when this process ends.
 * @throws {StartError}
 */
export async function startLocalStack(
  projectDir: string,
  binaries: Binaries,
  options: LocalStackOptions,
): Promise<StackNote> {
  // What is left of one that was stopped halfway.
  await stopLocalStack(projectDir)
  const directory = stackDirectory(projectDir)
  const prometheus = `127.0.0.1:${await choosePort('prometheus', options.prometheusPort)}`
  const alertmanager = `127.0.0.1:${await choosePort('alertmanager', options.alertmanagerPort)}`
  const targetsDir = dirname(edgeTargetsFile(projectDir))
  await writeStackFiles(projectDir, { ...options, targetsDir, alertmanager })
  const note = {
    form: 'local',
    prometheusUrl: `http://${prometheus}`,
    alertmanagerUrl: `http://${alertmanager}`,
  } as const
  try {
    await startInBackground({
      name: 'alertmanager',
      directory,
      command: binaries.alertmanager,
      args: [
        `--config.file=${join(directory, 'alertmanager.yml')}`,
        `--storage.path=${join(directory, 'data', 'alertmanager')}`,
        `--web.listen-address=${alertmanager}`,
        // It is alone.
        '--cluster.listen-address=',
      ],
      readyUrl: `${note.alertmanagerUrl}/-/ready`,
    })
    await startInBackground({
      name: 'prometheus',
      directory,
      command: binaries.prometheus,
      // Without --web.enable-lifecycle: any page in a browser on this machine could stop it.
      args: [
        `--config.file=${join(directory, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(directory, 'data', 'prometheus')}`,
        `--web.listen-address=${prometheus}`,
      ],
      readyUrl: `${note.prometheusUrl}/-/ready`,
    })
    await writeStackNote(projectDir, note)
    return note
  } catch (error) {
    await stopLocalStack(projectDir)
    throw error
  }
}

/** Stops what runs of a project's stack; answers whether anything did. Its data and the imported alerts stay. */
export async function stopLocalStack(projectDir: string): Promise<boolean> {
  const directory = stackDirectory(projectDir)
  const ran = await Promise.all(programs.map((name) => stopInBackground({ name, directory })))
  return ran.includes(true)
}

async function findCommand(names: readonly string[], path: string): Promise<string | undefined> {
  for (const name of names) {
    for (const folder of path.split(delimiter).filter(Boolean)) {
      const file = join(folder, name)
      if (
        await access(file, constants.X_OK).then(
          () => true,
          () => false,
        )
      )
        return file
    }
  }
  return undefined
}

async function choosePort(program: Program, wanted: number | undefined): Promise<number> {
  if (wanted !== undefined && wanted !== 0) return wanted
  return wanted === undefined ? probePort(usualPorts[program]).catch(() => probePort(0)) : probePort(0)
}

/** The port, if it is free now; 0 for any. */
function probePort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : port))
    })
  })
}

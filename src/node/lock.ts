import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Another process uses the directory. */
export class DirectoryInUseError extends Error {
  override readonly name = 'DirectoryInUseError'

  constructor(directory: string, pid: number) {
    super(`${directory} is in use by process ${pid}: stop it, or choose another directory`)
  }
}

const attemptsMax = 3

/**
 * Claims a directory for this process, making it if need be; answers how to give it up. An embedded database would be damaged
 * by two processes at once. A claim left by a process that is gone is taken over.
 * @throws {DirectoryInUseError}
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  await mkdir(directory, { recursive: true })
  const file = join(directory, 'openclaw.pid')
  const claim = `${file}.${process.pid}`
  // Linked when written, so that nobody ever reads a claim without its process.
  await writeFile(claim, String(process.pid), { mode: 0o600 })
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      if (await tryLink(claim, file)) return () => rm(file, { force: true })
      const pid = Number(await readFile(file, 'utf8').catch(() => ''))
      if (pid > 0 && pid !== process.pid && isRunning(pid)) throw new DirectoryInUseError(directory, pid)
      await rm(file, { force: true })
    }
  } finally {
    await rm(claim, { force: true })
  }
  throw new Error(`${file} could not be claimed`)
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false
    throw error
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Somebody else's process runs all the same.
    return hasCode(error, 'EPERM')
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { findOrInstall, program } from '../test/support/debian.ts'

const connections = 64
const loadCore = '1'

export interface Load {
  readonly requests: number
  readonly perSec: number
}

/** Loads a server for some seconds by a script of this folder, from a core of its own. @throws unless all is answered 2xx. */
export function load(url: string, script: string, seconds: number): Load {
  const file = fileURLToPath(new URL(script, import.meta.url))
  const args = ['-c', loadCore, 'wrk', '-t1', `-c${connections}`, `-d${seconds}s`, '-s', file, url]
  const { stdout, status } = spawnSync('taskset', args, { encoding: 'utf8' })
  const perSec = Number(stdout.match(/Requests\/sec:\s+([\d.]+)/)?.[1])
  const requests = Number(stdout.match(/(\d+) requests in/)?.[1])
  if (status !== 0 || !(perSec > 0)) throw new Error(`wrk failed:\n${stdout}`)
  const failed = stdout.match(/Non-2xx or 3xx responses: (\d+)/)
  if (failed) throw new Error(`${failed[1]} requests to ${url} were not answered 2xx`)
  return { requests, perSec }
}

export function installWrk(): void {
  findOrInstall('wrk', ['wrk'], () => program('wrk'))
}

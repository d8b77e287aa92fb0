import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findOrInstall, program } from './debian.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'

/** A Prometheus of its own, on loopback, with its data in a temporary directory. */
export interface PrometheusServer {
  readonly url: string
  /** Answers an instant query. @throws {Error} with Prometheus' words if it can't be evaluated. */
  query(expr: string): Promise<readonly PrometheusSample[]>
  stop(): Promise<void>
}

export interface PrometheusSample {
  readonly metric: Readonly<Record<string, string>>
  /** Of an instant vector: the time in seconds, and the value as text. */
  readonly value: readonly [number, string]
}

interface QueryAnswer {
  readonly status: string
  readonly error?: string
  readonly data?: { readonly result: readonly PrometheusSample[] }
}

export async function startPrometheus(configFile: string): Promise<PrometheusServer> {
  installPrometheus()
  const directory = mkdtempSync(join(tmpdir(), 'openclaw-prometheus-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const args = [
    `--config.file=${configFile}`,
    `--web.listen-address=127.0.0.1:${port}`,
    `--storage.tsdb.path=${join(directory, 'data')}`,
  ]
  let output = ''
  const child: ChildProcess = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-4000)))
  const exited = once(child, 'exit')
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`prometheus ended:\n${output}`)
    const { ok } = await fetch(`${url}/-/ready`)
    if (!ok) throw new Error(`prometheus is not ready:\n${output}`)
  })
  return {
    url,
    query: async (expr) => {
      const answered = await fetch(`${url}/api/v1/query`, {
        method: 'POST',
        body: new URLSearchParams({ query: expr }),
      })
      const { status, error, data } = (await answered.json()) as QueryAnswer
      if (status !== 'success') throw new Error(`${expr}: ${error}`)
      return data!.result
    },
    stop: async () => {
      child.kill('SIGTERM')
      await exited
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** Runs promtool. @throws {Error} with what it wrote, if it finds fault. */
export function promtool(...args: readonly string[]): void {
  installPrometheus()
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(stdout + stderr)
}

export function installPrometheus(): void {
  for (const name of ['prometheus', 'promtool', 'prometheus-alertmanager'])
    findOrInstall(name, ['prometheus', 'prometheus-alertmanager'], () => program(name))
}

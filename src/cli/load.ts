import { writeFile } from 'node:fs/promises'
import { readEdges } from '../deploy/edges-file.ts'
import { parseLoadOptions, type LoadOptions, type RawLoadOptions } from '../load/options.ts'
import { htmlReport } from '../load/report-html.ts'
import { progressLine, textReport } from '../load/report-text.ts'
import { runLoad, type LoadResult, type Progress } from '../load/run.ts'
import { exitCodes, fail } from './fail.ts'
import { trustProjectAuthorities } from './trust.ts'
import { untilStopped } from './until-stopped.ts'

interface OutputOptions {
  readonly json?: string
  readonly html?: string
}

/** By environment only: a command line can be seen by others. */
const apiKeyVariable = 'OPENCLAW_API_KEY'

/** `openclaw load`: load on running edges, until its time is over or Ctrl-C. */
export async function load(raw: RawLoadOptions & OutputOptions): Promise<void> {
  const apiKey = process.env[apiKeyVariable] || undefined
  const options = await readOptions(raw, apiKey !== undefined)
  await trustProjectAuthorities()
  const stopped = new AbortController()
  void untilStopped(['SIGINT', 'SIGTERM']).then(() => stopped.abort())
  const { stderr } = process
  const totalMs = options.rampMs + options.durationMs
  const showProgress = (progress: Progress): void => {
    if (stderr.isTTY) stderr.write(`\r\u001b[K${progressLine(progress, totalMs, stderr.columns)}`)
  }
  const result = await runLoad(options, { apiKey, signal: stopped.signal, onProgress: showProgress })
  if (stderr.isTTY) stderr.write('\r\u001b[K')
  process.stdout.write(`${textReport(result)}\n`)
  await writeReports(result, raw)
  if (result.missed.length > 0) process.exitCode = exitCodes.failed
}

async function readOptions(raw: RawLoadOptions, hasKey: boolean): Promise<LoadOptions> {
  const noted = raw.target.length > 0 ? [] : await readEdges(process.cwd())
  const target = [...raw.target, ...noted.map(({ replica, url }) => `${replica.replace(/\/0$/, '')}=${url}`)]
  if (target.length === 0)
    fail('no edge of this project runs: name some by --target region=url', exitCodes.nothingThere)
  return parseLoadOptions({ ...raw, target }, { hasKey })
}

async function writeReports(result: LoadResult, { json, html }: OutputOptions): Promise<void> {
  if (json !== undefined) await writeFile(json, `${JSON.stringify(result, null, 2)}\n`)
  if (html !== undefined) await writeFile(html, htmlReport(result))
}

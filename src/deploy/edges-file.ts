import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'

/** An edge of the current project, and where it is reached. */
export interface EdgeAddress {
  /** `region/ordinal`. */
  readonly replica: string
  /** Of its HTTP API, without a path; `/metrics` and `/ready` are there too. */
  readonly url: string
}

/** The file can't be read as what `writeEdges` writes. */
export class EdgesFileError extends Error {
  override readonly name = 'EdgesFileError'
}

const edgesMax = 10_000
const schema = z.object({
  edges: z
    .array(z.object({ replica: z.string().min(1), url: z.url({ protocol: /^https?$/ }) }))
    .max(edgesMax),
})

/**
 * The edges that run for the project in a directory, as who started them noted; empty if nobody did. Commands that look at
 * running edges (metrics, status, load) find them by it.
 * @throws {EdgesFileError}
 */
export async function readEdges(projectDir: string): Promise<readonly EdgeAddress[]> {
  const file = edgesFile(projectDir)
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  })
  if (text === undefined) return []
  try {
    return schema.parse(JSON.parse(text)).edges
  } catch (error) {
    throw new EdgesFileError(`${file} is damaged: delete it, and start the edges again`, { cause: error })
  }
}

/** Notes which edges run, for our own commands and for Prometheus; each file all or nothing. */
export async function writeEdges(projectDir: string, edges: readonly EdgeAddress[]): Promise<void> {
  await replaceFile(edgesFile(projectDir), { edges })
  await replaceFile(edgeTargetsFile(projectDir), edges.map(scrapeTarget))
}

/** Notes that none runs any more. */
export async function removeEdges(projectDir: string): Promise<void> {
  await rm(edgesFile(projectDir), { force: true })
  await rm(edgeTargetsFile(projectDir), { force: true })
}

/** The same edges as scrape targets, in the format of Prometheus' `file_sd_configs`; Prometheus reads it again when it changes. */
export function edgeTargetsFile(projectDir: string): string {
  return join(projectDir, '.openclaw', 'targets', 'edges.json')
}

function scrapeTarget({ url, replica }: EdgeAddress): { targets: string[]; labels: Record<string, string> } {
  const { host, protocol } = new URL(url)
  const scheme = protocol.slice(0, -1)
  const port = scheme === 'https' ? 443 : 80
  const target = /:\d+$/.test(host) ? host : `${host}:${port}`
  const region = replica.slice(0, replica.lastIndexOf('/'))
  return { targets: [target], labels: { region, replica, __scheme__: scheme } }
}

async function replaceFile(file: string, content: unknown): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  const draft = `${file}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(content, null, 2)}\n`)
  await rename(draft, file)
}

function edgesFile(projectDir: string): string {
  return join(projectDir, '.openclaw', 'edges.json')
}

import { randomUUID } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isMap as isYamlMap, isSeq, parseDocument } from 'yaml'
import { z } from 'zod'
import { kubernetesSchema, type KubernetesSettings } from './kubernetes/settings.ts'
import { sizes, type Size } from './sizes.ts'

export const projectFile = 'openclaw.yaml'
const targets = ['local', 'compose', 'kubernetes'] as const
export type TargetName = (typeof targets)[number]

/** A place where the project wants an edge. */
export interface WantedEdge {
  readonly region: string
  readonly size: Size
}

/** What `openclaw.yaml` says. */
export interface Project {
  readonly name: string
  readonly target: TargetName
  readonly edges: readonly WantedEdge[]
  /** PEM, relative to the project: authorities that our commands and Prometheus trust when they call edges over TLS. */
  readonly ca_file?: string | undefined
  /** Of the target `kubernetes`. */
  readonly kubernetes?: KubernetesSettings | undefined
}

/** The directory holds no project. */
export class NoProjectError extends Error {
  override readonly name = 'NoProjectError'

  constructor(directory: string) {
    super(
      `${directory} is no project: it has no ${projectFile}; change to one, or make one with openclaw init --template rating-api-edge DIR`,
    )
  }
}

/** `openclaw.yaml` is not valid; the message has a line for each problem. */
export class ProjectError extends Error {
  override readonly name = 'ProjectError'
}

export const regionSchema = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,62}$/,
    'not allowed; allowed: a small letter or digit, then up to 62 small letters, digits or -',
  )
const edgesMax = 64
const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'not allowed; allowed: up to 63 small letters, digits or -'),
  target: z.enum(targets, `not allowed; allowed: ${targets.join(', ')}`).default('local'),
  edges: z
    .array(
      z.strictObject({
        region: regionSchema,
        size: z.enum(sizeNames(), `not allowed; allowed: ${sizeNames().join(', ')}`).default('medium'),
      }),
    )
    .max(edgesMax)
    .refine(
      (edges) => new Set(edges.map(({ region }) => region)).size === edges.length,
      'a region is listed twice',
    )
    .default([]),
  ca_file: z.string().min(1).max(4096).optional(),
  kubernetes: kubernetesSchema.optional(),
})

/** @throws {NoProjectError} @throws {ProjectError} */
export async function readProject(directory: string): Promise<Project> {
  const document = parseDocument(await readText(directory), { logLevel: 'error' })
  if (document.errors.length > 0)
    throw new ProjectError(document.errors.map(({ message }) => `${projectFile}: ${message}`).join('\n'))
  const result = schema.safeParse(document.toJS({ maxAliasCount: 10 }))
  if (result.success) return result.data
  throw new ProjectError(
    result.error.issues
      .map(({ path, message }) => `${projectFile} ${path.map(String).join('.')}: ${message}`)
      .join('\n'),
  )
}

/** Adds edges to the project, or changes their size; what else the file says stays as it is written, comments too. */
export async function wantEdges(directory: string, edges: readonly WantedEdge[]): Promise<Project> {
  const project = await readProject(directory)
  const document = parseDocument(await readText(directory))
  const wanted = new Map(project.edges.map((edge) => [edge.region, edge]))
  for (const edge of edges) wanted.set(edge.region, edge)
  const list = document.get('edges')
  if (isSeq(list)) {
    for (const edge of edges) {
      const at = list.items.findIndex((item) => isYamlMap(item) && item.get('region') === edge.region)
      if (at < 0) list.add(document.createNode(edge))
      else list.setIn([at, 'size'], edge.size)
    }
    list.flow = false
  } else document.set('edges', document.createNode([...wanted.values()]))
  await replaceFile(join(directory, projectFile), document.toString())
  return readProject(directory)
}

/** Writes a file so that nobody ever reads it half written. */
export async function replaceFile(file: string, text: string, mode = 0o644): Promise<void> {
  const draft = `${file}.${randomUUID()}`
  await writeFile(draft, text, { mode })
  await rename(draft, file)
}

async function readText(directory: string): Promise<string> {
  try {
    return await readFile(join(directory, projectFile), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new NoProjectError(directory)
    throw error
  }
}

function sizeNames(): [Size, ...Size[]] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a constant
  return Object.keys(sizes) as [Size, ...Size[]]
}

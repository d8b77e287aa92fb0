import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** What every object of Kubernetes has. */
export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
}

type Kinds = Readonly<Record<string, new (object: KubernetesObject) => { validate(): void }>>

const modules = fileURLToPath(new URL('../../node_modules', import.meta.url))
const run = promisify(execFile)

/**
 * Judges objects by what Kubernetes' API says of itself, as kubernetes-models has it: by its schemas, which know bounds and formats, and by its
 * types, which know that there is no other field.
 * @throws {Error} with what is wrong.
 */
export async function checkObjects(objects: readonly KubernetesObject[]): Promise<void> {
  for (const object of objects) await checkSchema(object)
  await checkTypes(objects)
}

async function checkSchema(object: KubernetesObject): Promise<void> {
  const { apiVersion, kind, metadata } = object
  const name = `kubernetes-models/${apiVersion}`
  const kinds = (await import(name)) as Kinds
  const Kind = kinds[kind]
  if (Kind === undefined) throw new Error(`${apiVersion} has no ${kind}`)
  try {
    new Kind(object).validate()
  } catch (cause) {
    throw new Error(`${kind} ${metadata.name}: ${String(cause)}`, { cause })
  }
}

/** The compiler finds a field too many in a literal of an object's type. */
async function checkTypes(objects: readonly KubernetesObject[]): Promise<void> {
  const source = objects.map(
    (object, at) =>
      `import type { I${object.kind} as T${at} } from 'kubernetes-models/${object.apiVersion}'\n` +
      `export const object${at}: T${at} = ${JSON.stringify(object, undefined, 2)}\n`,
  )
  const directory = await mkdtemp(join(tmpdir(), 'openclaw-objects-'))
  try {
    await symlink(modules, join(directory, 'node_modules'))
    await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
    await writeFile(join(directory, 'objects.ts'), source.join(''))
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--pretty', 'false']
    await run(join(modules, '.bin', 'tsc'), [...options, 'objects.ts'], { cwd: directory })
  } catch (cause) {
    const { stdout } = cause as { stdout?: string }
    throw new Error(stdout ?? String(cause), { cause })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

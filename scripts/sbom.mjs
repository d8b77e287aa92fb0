// Writes sbom.cdx.json: the packages that run in production, as CycloneDX, from the lock file. What is not locked for production is taken out
// before npm reads it, because `npm sbom --omit` leaves out packages, too, that development shares with production. Plain JavaScript without
// dependencies, so that any Node.js runs it, and where nothing is installed.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const read = (name) => JSON.parse(readFileSync(join(root, name), 'utf8'))

/** Without what `npm prune --omit=dev --omit=optional` takes away. */
const production = (manifest) => ({
  ...manifest,
  devDependencies: undefined,
  optionalDependencies: undefined,
})
const isInProduction = ([, { dev, optional, devOptional }]) => !dev && !optional && !devOptional

const manifest = production(read('package.json'))
const { packages, ...lock } = read('package-lock.json')
const locked = Object.fromEntries(Object.entries(packages).filter(isInProduction))
locked[''] = production(locked[''])

const scratch = mkdtempSync(join(tmpdir(), 'openclaw-sbom-'))
try {
  // npm names the whole after its directory.
  const directory = join(scratch, manifest.name)
  mkdirSync(directory)
  writeFileSync(join(directory, 'package.json'), JSON.stringify(manifest))
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify({ ...lock, packages: locked }))
  const windows = process.platform === 'win32'
  const options = ['sbom', '--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application']
  // Whatever `omit` is set to elsewhere.
  const all = ['--include=dev', '--include=optional', '--include=peer']
  const npm = windows ? 'npm.cmd' : 'npm'
  const document = execFileSync(npm, [...options, ...all], { cwd: directory, shell: windows })
  writeFileSync(join(root, 'sbom.cdx.json'), document)
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

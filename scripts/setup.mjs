// Makes a fresh clone ready: installs the locked dependencies when they are missing or out of date, and checks
// that a Node.js >= 24 will run the product. Plain JavaScript, because any Node.js >= 20 may run it first.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const modules = join(root, 'node_modules')
const stamp = join(modules, '.setup-stamp')
const lockHash = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lockHash) {
  console.log('Installing the locked dependencies …')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const options = [
    'ci',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-engine-strict',
    '--loglevel=error',
  ]
  const { status } = spawnSync(npm, options, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) {
    console.error('npm ci failed; see its message above.')
    process.exit(status ?? 1)
  }
  writeFileSync(stamp, lockHash)
}

const nodeMajorMin = 24
const pinned = join(modules, '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')
if (!existsSync(pinned) && Number(process.versions.node.split('.')[0]) < nodeMajorMin) {
  console.error(
    `openclaw-edge needs Node.js >= ${nodeMajorMin}; this is ${process.version} on ${process.platform}-${process.arch}, ` +
      `for which no pinned Node.js comes with the project. Install Node.js ${nodeMajorMin} LTS and try again.`,
  )
  process.exit(1)
}

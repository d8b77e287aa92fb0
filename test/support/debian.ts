import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/**
 * Answers what `find` finds; where it finds nothing, Debian's packages are installed first, by root.
 * @throws {Error} that says what to install
 */
export function findOrInstall<T>(name: string, packages: readonly string[], find: () => T | undefined): T {
  const there = find()
  if (there !== undefined) return there
  const install = `apt-get install -y -qq --no-install-recommends ${packages.join(' ')}`
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version')) {
    // Tests run side by side, and apt-get doesn't wait for another.
    const script = `flock /tmp/openclaw-apt-get.lock sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive ${install}'`
    spawnSync('sh', ['-c', script], { stdio: 'ignore' })
    const installed = find()
    if (installed !== undefined) return installed
  }
  throw new Error(
    `${name} is needed: install it (Debian: apt-get install ${packages.join(' ')}), and try again`,
  )
}

/** Whether a program is on the PATH, as a finder has it. */
export function program(name: string, versionFlag = '--version'): string | undefined {
  return spawnSync(name, [versionFlag]).error === undefined ? name : undefined
}

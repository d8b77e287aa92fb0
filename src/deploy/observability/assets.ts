import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * A folder that the package carries beside its code, such as `deploy/observability`: in the nearest folder above this file
 * that has it. The code lies in `src/` in a checkout, and in `dist/src/` in the published package. `file` is one it must hold.
 */
export function packageFolder(folder: string, file: string): string {
  for (let at = import.meta.dirname; at !== dirname(at); at = dirname(at)) {
    const candidate = join(at, folder)
    if (existsSync(join(candidate, file))) return candidate
  }
  throw new Error(`the package is not whole: ${folder}/${file} is missing; install it again`)
}

/** Prometheus', Alertmanager's and Grafana's files, as they are for production. */
export function observabilityFolder(): string {
  return packageFolder('deploy/observability', 'prometheus.yml')
}

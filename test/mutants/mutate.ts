import { fileURLToPath } from 'node:url'
import type { Mutant } from './mutants.ts'

/** The root of the repository, with a slash at its end. */
export const root = fileURLToPath(new URL('../../', import.meta.url))

/** The source with the fault in it. @throws {Error} if what it changes isn't there exactly once. */
export function mutate({ name, file, find, replace }: Mutant, source: string): string {
  const parts = source.split(find)
  if (parts.length !== 2)
    throw new Error(`${name}: what it replaces stands ${parts.length - 1} times in ${file}, not once`)
  return parts.join(replace)
}

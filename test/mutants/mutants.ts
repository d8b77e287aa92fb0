import { pooledMutants } from './pooled.ts'
import { replicationMutants } from './replication.ts'
import { strictMutants } from './strict.ts'

/** A deliberate fault, as a change of one place of the source, and the test that has to fail because of it. */
export interface Mutant {
  readonly name: string
  /** From the root of the repository. */
  readonly file: string
  /** Stands exactly once in the file. */
  readonly find: string
  readonly replace: string
  readonly caughtBy: { readonly file: string; readonly test: string }
}

export const mutants: readonly Mutant[] = [...pooledMutants, ...strictMutants, ...replicationMutants]

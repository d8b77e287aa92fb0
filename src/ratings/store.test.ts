import { runStoreContract } from './store.contract.ts'
import { openTestStore } from './store.testing.ts'

runStoreContract('PGlite', openTestStore)

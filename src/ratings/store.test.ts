import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openPglite } from './pglite-driver.ts'
import { openSqlStore } from './sql-store.ts'
import { runStoreContract } from './store.contract.ts'

runStoreContract('PGlite', async () => openSqlStore(await openPglite()))

test('ratings in a directory survive closing and opening again', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'openclaw-pglite-'))
  const first = await openSqlStore(await openPglite(directory))
  const stored = await first.putMany([{ subject: 'tea', user: 'alice', score: 5, comment: null }])
  await first.close()
  const second = await openSqlStore(await openPglite(directory))
  expect([await second.find('tea', 'alice')]).toEqual(stored)
  await second.close()
  await rm(directory, { recursive: true })
})

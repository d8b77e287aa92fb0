import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DirectoryInUseError, lockDirectory } from './lock.ts'

const freshDirectory = async (): Promise<string> =>
  join(await mkdtemp(join(tmpdir(), 'openclaw-lock-')), 'data')

test('a directory claimed by a running process is refused to another', async () => {
  const directory = await freshDirectory()
  const unlock = await lockDirectory(directory)
  await writeFile(join(directory, 'openclaw.pid'), String(process.ppid))
  await expect(lockDirectory(directory)).rejects.toThrow(DirectoryInUseError)
  await unlock()
  await expect(lockDirectory(directory)).resolves.toBeTypeOf('function')
})

test.each(['999999999', '', 'no number'])('a claim left behind (%j) is taken over', async (left) => {
  const directory = await freshDirectory()
  await (
    await lockDirectory(directory)
  )()
  await writeFile(join(directory, 'openclaw.pid'), left)
  await lockDirectory(directory)
  expect(await readFile(join(directory, 'openclaw.pid'), 'utf8')).toBe(String(process.pid))
})

import { mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { ReleaseError, Releases } from './releases.ts'

const made = { key: 'k', now: new Date(0) }
let directory: string
let releases: Releases

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openclaw-releases-'))
  releases = new Releases(directory)
})

async function live(image: string): Promise<number> {
  const { number } = await releases.create({ image, config: 'c', env: { SECRET: 'pwd' } }, made)
  await releases.setStatus(number, 'live')
  return number
}

test('releases are numbered from 1, and one is live', async () => {
  expect([await live('a'), await live('b')]).toEqual([1, 2])
  expect((await releases.list()).map(({ status }) => status)).toEqual(['superseded', 'live'])
  expect(await releases.contents(1)).toEqual({ image: 'a', config: 'c', env: { SECRET: 'pwd' } })
})

test('an environment is for its owner only, and what is shown of it gives nothing away', async () => {
  const number = await live('a')
  const { mode } = await stat(join(releases.directory(number), 'env.json'))
  expect(mode & 0o777).toBe(0o600)
  const shown = JSON.stringify(await releases.read(number))
  expect(shown).toContain('SECRET')
  expect(shown).not.toContain('pwd')
  const other = await releases.create(
    { image: 'a', config: 'c', env: { SECRET: 'pwd' } },
    { ...made, key: 'l' },
  )
  expect(other.envDigest).not.toBe((await releases.read(number)).envDigest)
})

test('a rollback goes to the last release before the live one that was live and differs', async () => {
  await live('a')
  await live('b')
  const failed = await releases.create({ image: 'broken', config: 'c', env: {} }, made)
  await releases.setStatus(failed.number, 'failed')
  await live('b')
  expect((await releases.rollbackTarget(undefined)).image).toBe('a')
  expect((await releases.rollbackTarget(2)).image).toBe('b')
  await expect(releases.rollbackTarget(failed.number)).rejects.toThrow(ReleaseError)
  await expect(releases.rollbackTarget(9)).rejects.toThrow(/1 \(superseded\), 2 \(superseded\), 3 \(failed\)/)
})

test('without an earlier release there is nothing to go back to', async () => {
  await expect(releases.rollbackTarget(undefined)).rejects.toThrow(/there are: none/)
  await live('a')
  await expect(releases.rollbackTarget(undefined)).rejects.toThrow(ReleaseError)
})

test('old releases go, and the live one stays', async () => {
  await live('a')
  for (let n = 0; n < 25; n++) await releases.create({ image: 'b', config: 'c', env: {} }, made)
  const numbers = (await releases.list()).map(({ number }) => number)
  expect(numbers).toHaveLength(21)
  expect(numbers[0]).toBe(1)
  expect(numbers.at(-1)).toBe(26)
})

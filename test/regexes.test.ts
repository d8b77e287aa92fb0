import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { analyse } from 'scslre'
import { expect, test } from 'vitest'
import { isHost } from '../src/config/hosts.ts'

const source = fileURLToPath(new URL('../src', import.meta.url))

/** A regular expression where an expression may begin; good enough for formatted sources. */
const literal =
  /(?<=[=(,:[!&|?]\s*|return |=> )\/(?![/*])((?:[^\\/\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/([dgimsuvy]*)(?=[.,;)\]\s])/g

async function literalsOfProduct(): Promise<{ place: string; pattern: string; flags: string }[]> {
  const found: { place: string; pattern: string; flags: string }[] = []
  for await (const file of glob('**/*.ts', { cwd: source })) {
    if (/\.(test|testing|contract)\.ts$/.test(file)) continue
    const lines = (await readFile(`${source}/${file}`, 'utf8')).split('\n')
    for (const [at, line] of lines.entries()) {
      if (/^\s*(\/?\*|\/\/)/.test(line)) continue
      for (const [, pattern, flags] of line.matchAll(literal))
        found.push({ place: `${file}:${at + 1}`, pattern: pattern!, flags: flags! })
    }
  }
  return found
}

/** Those that take quadratic time or worse. */
const slow = (found: Awaited<ReturnType<typeof literalsOfProduct>>): string[] =>
  found
    .filter(({ pattern, flags }) => analyse({ source: pattern, flags }).reports.length > 0)
    .map(({ place, pattern }) => `${place} /${pattern}/`)

test('the check knows a slow expression when it sees one', () => {
  const flags = ''
  expect(
    slow(['^(a+)+$', 'a*a*b', '//\\S*@'].map((pattern) => ({ place: 'x', pattern, flags }))),
  ).toHaveLength(3)
})

test('no regular expression of the product takes more than linear time', async () => {
  const found = await literalsOfProduct()
  expect(found.length).toBeGreaterThan(25)
  expect(slow(found)).toEqual([])
})

test('those that are put together take what is known to be bounded', async () => {
  const makers: string[] = []
  for await (const file of glob('**/*.ts', { cwd: source })) {
    const text = await readFile(`${source}/${file}`, 'utf8')
    if (!file.endsWith('.test.ts') && text.includes('new RegExp(')) makers.push(file)
  }
  expect(makers).toEqual(['config/hosts.ts'])
  for (const part of ['a', 'a-', 'a.', '-', '0.']) expect(isHost(`${part.repeat(1e6)}!`)).toBe(false)
})

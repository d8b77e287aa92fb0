import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const page = new URL('../docs/security.md', import.meta.url)

test.each([
  ['security.md', 35],
  ['upgrading.md', 4],
])('each test that docs/%s names is there', async (name, testsMin) => {
  const text = await readFile(new URL(name, page), 'utf8')
  const named = [...text.matchAll(/\[([^\]]+)\]\(([^)]+\.test\.ts)\)/g)].map(([, title, file]) => ({
    title: title!,
    file: file!,
  }))
  expect(named.length).toBeGreaterThanOrEqual(testsMin)
  const missing: string[] = []
  for (const { title, file } of named) {
    const source = await readFile(fileURLToPath(new URL(file, page)), 'utf8')
    // The page itself is tested here.
    if (!source.includes(title) && !file.endsWith('/security.test.ts')) missing.push(`${file}: ${title}`)
  }
  expect(missing).toEqual([])
})

test('each claim about an attacker has a test', async () => {
  const rows = (await readFile(page, 'utf8'))
    .split('\n')
    .filter((line) => /^\| (?!claim|scope|`|-)/.test(line))
  expect(rows.length).toBeGreaterThan(20)
  expect(rows.filter((row) => !row.includes('.test.ts)'))).toEqual([])
})

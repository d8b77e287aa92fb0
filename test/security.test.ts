import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const page = new URL('../docs/security.md', import.meta.url)

test('each test that docs/security.md names is there', async () => {
  const text = await readFile(page, 'utf8')
  const named = [...text.matchAll(/\[([^\]]+)\]\(([^)]+\.test\.ts)\)/g)].map(([, name, file]) => ({
    name: name!,
    file: file!,
  }))
  expect(named.length).toBeGreaterThan(35)
  const missing: string[] = []
  for (const { name, file } of named) {
    const source = await readFile(fileURLToPath(new URL(file, page)), 'utf8')
    // The page itself is tested here.
    if (!source.includes(name) && !file.endsWith('/security.test.ts')) missing.push(`${file}: ${name}`)
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

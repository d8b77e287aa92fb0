import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const page = new URL('../docs/invariants.md', import.meta.url)

test('each invariant is tested by name in the files that docs/invariants.md says', async () => {
  const rows = (await readFile(page, 'utf8')).split('\n').filter((line) => /^\| I\d/.test(line))
  expect(rows).toHaveLength(7)
  for (const [index, row] of rows.entries()) {
    const name = `I${index + 1}`
    const files = [...row.matchAll(/\]\(([^)]+)\)/g)].map(([, path]) => path!)
    expect(row).toContain(`| ${name} |`)
    expect(files.length).toBeGreaterThan(0)
    for (const file of files) {
      const source = await readFile(fileURLToPath(new URL(file, page)), 'utf8')
      expect(source, `${file} has no test of ${name}`).toMatch(
        new RegExp(String.raw`test\(\s*['"\x60][I\d ]*${name} `),
      )
    }
  }
})

import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RatingStore } from '../ratings/store.ts'
import { openTestStore } from '../ratings/store.testing.ts'
import { operations } from './app.ts'
import { makeTestApp, type TestApp } from './app.testing.ts'
import { problems } from './problems.ts'

let store: RatingStore
let api: TestApp

beforeAll(async () => {
  store = await openTestStore()
  api = makeTestApp(store)
})
afterAll(() => store.close())

test('the OpenAPI document has every operation, and every reference in it resolves', async () => {
  const document = (await (await api.send('GET', '/openapi.json')).json()) as {
    openapi: string
    paths: Record<string, Record<string, unknown>>
  }
  expect(document.openapi).toBe('3.1.0')
  const documented = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  )
  expect(documented.toSorted()).toEqual(operations.map(({ method, path }) => `${method} ${path}`).toSorted())
  const references = JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)
  const at = (pointer: string): unknown =>
    pointer
      .split('/')
      .reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], document)
  const resolved = [...references].map(([, pointer]) => [pointer, typeof at(pointer!)])
  expect(resolved.length).toBeGreaterThan(20)
  expect(resolved.filter(([, type]) => type !== 'object')).toEqual([])
})

test('the page names every operation and every problem, and runs no scripts', async () => {
  const answer = await api.send('GET', '/docs')
  const page = await answer.text()
  for (const { path, summary } of operations) {
    expect(page).toContain(`<code>${path}</code>`)
    expect(page).toContain(summary.replaceAll("'", '&#39;'))
  }
  for (const code of Object.keys(problems)) expect(page).toContain(`id="problem-${code}"`)
  expect(page).not.toContain('<script')
  expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
})

test('docs/errors.md lists exactly the problems there are, with their status', async () => {
  const text = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const listed = [...text.matchAll(/^\| `([a-z-]+)` \| (\d+) \|/gm)].map(([, code, status]) => [
    code,
    Number(status),
  ])
  expect(listed).toEqual(Object.entries(problems).map(([code, { status }]) => [code, status]))
})

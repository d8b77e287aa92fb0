import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { edgeTargetsFile, EdgesFileError, readEdges, removeEdges, writeEdges } from './edges-file.ts'

const freshDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), 'openclaw-edges-'))
const edges = [{ replica: 'us-east-1/0', url: 'http://127.0.0.1:8081' }]

test('a project in which nothing was started has no edges', async () => {
  expect(await readEdges(await freshDirectory())).toEqual([])
})

test('what was noted is read, and removed without a trace', async () => {
  const directory = await freshDirectory()
  await writeEdges(directory, edges)
  expect(await readEdges(directory)).toEqual(edges)
  await removeEdges(directory)
  expect(await readEdges(directory)).toEqual([])
  expect(await readdir(join(directory, '.openclaw'), { recursive: true })).toEqual(['targets'])
})

test('Prometheus finds the same edges', async () => {
  const directory = await freshDirectory()
  await writeEdges(directory, [...edges, { replica: 'eu/1', url: 'https://eu.example' }])
  expect(JSON.parse(await readFile(edgeTargetsFile(directory), 'utf8'))).toEqual([
    {
      targets: ['127.0.0.1:8081'],
      labels: { region: 'us-east-1', replica: 'us-east-1/0', __scheme__: 'http' },
    },
    { targets: ['eu.example:443'], labels: { region: 'eu', replica: 'eu/1', __scheme__: 'https' } },
  ])
})

test.each(['', '{}', '{"edges":[{"replica":"us/0","url":"file:///etc/passwd"}]}'])(
  'a damaged file (%j) is refused, and named',
  async (text) => {
    const directory = await freshDirectory()
    await writeEdges(directory, [])
    await writeFile(join(directory, '.openclaw', 'edges.json'), text)
    await expect(readEdges(directory)).rejects.toThrow(EdgesFileError)
  },
)

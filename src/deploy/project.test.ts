import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { NoProjectError, ProjectError, readProject, wantEdges } from './project.ts'

async function projectWith(text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'openclaw-project-'))
  await writeFile(join(directory, 'openclaw.yaml'), text)
  return directory
}

test('a directory without a project is refused, with what to do', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'openclaw-project-'))
  await expect(readProject(directory)).rejects.toThrow(NoProjectError)
  await expect(readProject(directory)).rejects.toThrow(/openclaw init/)
})

test('all that is wrong is said at once, and names its field', async () => {
  const directory = await projectWith(
    'name: My Project\ntarget: moon\nedges:\n  - { region: "US!", size: huge }\nextra: 1\n',
  )
  const error = await readProject(directory).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(ProjectError)
  expect(String(error).split('\n')).toEqual([
    expect.stringMatching(/name: not allowed/),
    expect.stringMatching(/target: not allowed; allowed: local, compose, kubernetes/),
    expect.stringMatching(/edges\.0\.region: not allowed/),
    expect.stringMatching(/edges\.0\.size: not allowed; allowed: small, medium, large/),
    expect.stringMatching(/extra/),
  ])
})

test('edges are added once, change their size, and comments stay', async () => {
  const directory = await projectWith('# Ours.\nname: shop\nedges: []\n')
  await wantEdges(directory, [
    { region: 'us', size: 'small' },
    { region: 'eu', size: 'small' },
  ])
  const { edges } = await wantEdges(directory, [
    { region: 'us', size: 'large' },
    { region: 'ap', size: 'medium' },
  ])
  expect(edges).toEqual([
    { region: 'us', size: 'large' },
    { region: 'eu', size: 'small' },
    { region: 'ap', size: 'medium' },
  ])
  expect(await readFile(join(directory, 'openclaw.yaml'), 'utf8')).toBe(`# Ours.
name: shop
edges:
  - region: us
    size: large
  - region: eu
    size: small
  - region: ap
    size: medium
`)
})

import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCli, type CliProcess } from './support/cli.ts'
import { documentedSteps, expectDocumented } from './support/documented-steps.ts'
import { eventually } from './support/eventually.ts'

// docs/quickstart.md, from its own text: what it does with the regions that `npm start` runs.

const steps = documentedSteps(new URL('../docs/quickstart.md', import.meta.url))
const documentedPort = /127\.0\.0\.1:808(?<region>[123])/g

let directory: string
let dev: CliProcess
let urls: string[]

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openclaw-quickstart-'))
  await copyFile(
    fileURLToPath(new URL('../token_buckets.yaml', import.meta.url)),
    join(directory, 'token_buckets.yaml'),
  )
  dev = startCli(['dev', '--port', '0'], { cwd: directory })
  await dev.waitFor(/Ctrl-C/)
  urls = [...dev.output().matchAll(/^ *[a-z]+-[a-z]+-\d +(http:\/\/[\d.:]+)/gm)].map(([, url]) => url!)
  expect(urls).toHaveLength(3)
  for (const url of urls) await eventually(async () => expect(await capacity(url)).toBe(12_000))
})

afterAll(async () => {
  await dev.stop()
  await rm(directory, { recursive: true, force: true })
})

async function capacity(url: string): Promise<unknown> {
  const answer = await fetch(`${url}/v1/limits/ratings/buckets/bob`)
  return ((await answer.json()) as { capacity: unknown }).capacity
}

test.each(['Rate in one region, read in another', 'Use up a limit', 'Change a limit while it runs'])(
  '%s',
  async (heading) => {
    const here = steps.filter((step) => step.heading === heading)
    expect(here).not.toEqual([])
    for (const { script, output } of here) {
      const command = script.replaceAll(documentedPort, (_, region) => urls[Number(region) - 1]!)
      // Again until the other region has heard of it.
      await eventually(async () => {
        const { stdout } = await promisify(execFile)('sh', ['-ec', command], { cwd: directory })
        expectDocumented(stdout, output)
      })
    }
  },
)

test('a change of the file is in force in all regions', async () => {
  for (const url of urls) await eventually(async () => expect(await capacity(url)).toBe(13_000))
})

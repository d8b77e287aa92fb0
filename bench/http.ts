import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startPostgres } from '../test/support/postgres.ts'
import { median, perSecond, type BenchRow } from './report.ts'
import { installWrk, load } from './wrk.ts'

/**
 * Requests a second of a whole edge (one process) as a ratio to a bare `node:http` server that parses the same bodies and
 * answers the same JSON. Server on one core, load generator (wrk) on the other, in turns.
 */
const rounds = 5
const seconds = 4
const serverCore = '0'

interface Server {
  readonly url: string
  stop(): void
}

export async function benchHttp(): Promise<BenchRow[]> {
  installWrk()
  const directory = await mkdtemp(join(tmpdir(), 'openclaw-bench-'))
  const database = await startPostgres()
  const servers: Server[] = []
  try {
    const config = join(directory, 'edge.yaml')
    const share = '{ us-east-1: { capacity: 1000000000, refill_per_sec: 1000000000 } }'
    await writeFile(config, `token_buckets: ${share}\nhttp: { port: 0 }\nlog: { level: info }\n`)
    const bare = await startServer([fileURLToPath(new URL('bare-server.ts', import.meta.url))], {})
    const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
    const edge = await startServer([main, 'serve', '--config', config, '--region', 'us-east-1'], {
      RATING_DB_URL: database.url,
      OPENCLAW_HASH_KEY: '0123456789abcdef',
    })
    servers.push(bare, edge)
    return [
      await compare('HTTP take', { ours: edge.url, baseline: bare.url, script: 'take.lua', goal: '≥ 0.6' }),
      await compare('HTTP POST /v1/ratings, committed to PostgreSQL', {
        ours: edge.url,
        baseline: bare.url,
        script: 'rate.lua',
        goal: '≥ 0.4',
      }),
    ]
  } finally {
    for (const server of servers) server.stop()
    await database.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

interface Comparison {
  readonly ours: string
  readonly baseline: string
  readonly script: string
  readonly goal: string
}

async function compare(name: string, { ours, baseline, script, goal }: Comparison): Promise<BenchRow> {
  const pairs: { ours: number; baseline: number }[] = []
  for (let round = 0; round <= rounds; round++) {
    const pair = {
      ours: load(ours, script, seconds).perSec,
      baseline: load(baseline, script, seconds).perSec,
    }
    // The first round warms both up.
    if (round > 0) pairs.push(pair)
  }
  return {
    name,
    ours: perSecond(median(pairs.map((pair) => pair.ours))),
    baseline: perSecond(median(pairs.map((pair) => pair.baseline))),
    ratio: median(pairs.map((pair) => pair.ours / pair.baseline)),
    goal,
  }
}

export function startServer(args: string[], env: Record<string, string>): Promise<Server> {
  const child: ChildProcess = spawn('taskset', ['-c', serverCore, process.execPath, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return new Promise((resolve, reject) => {
    let output = ''
    child.on('exit', (code) => reject(new Error(`a server ended with ${code}:\n${output}`)))
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output += text
      const url = output.match(/"(?:listening|url)":"(http:[^"]+)"/)?.[1]
      if (url) resolve({ url, stop: () => child.kill('SIGTERM') })
    })
  })
}

import { Option, type Command } from 'commander'
import { z } from 'zod'
import { readEdges } from '../deploy/edges-file.ts'
import { readLimits } from '../node/configuration.ts'
import { outputOf } from './output.ts'
import { trustProjectAuthorities } from './trust.ts'

interface Common {
  readonly url?: string
  readonly json: boolean
}

const summary = z.object({
  version: z.number(),
  digest: z.string().nullable(),
  by: z.string().nullable(),
  at: z.string().nullable(),
  note: z.string(),
})
const outcome = z.object({
  before: summary,
  after: summary.nullable(),
  applied: z.array(z.string()),
  pending: z.array(z.string()),
})
const history = z.object({ items: z.array(summary) })
const problem = z.object({ title: z.string(), detail: z.string() })

/** An edge refused, or gave no answer. */
class RequestError extends Error {
  override readonly name = 'RequestError'
}

/** More than an edge takes to ask all others, and to hear that they have put a version in force. */
const timeoutMs = 30_000
const keyVariable = 'OPENCLAW_ADMIN_KEY'

/** `openclaw config apply`, `rollback` and `history`: the limits of all regions, through the HTTP API of any edge. */
export function addConfigCommands(program: Command): void {
  const config =
    program.commands.find((command) => command.name() === 'config') ??
    program.command('config').description('change limits in all regions, or in none')
  const command = (usage: string, description: string): Command =>
    config
      .command(usage)
      .description(description)
      .addOption(new Option('-u, --url <url>', 'an edge; by default one that runs for this project'))
      .addOption(new Option('--json', 'answer in JSON').default(false))
      .addHelpText('after', `\nWith authentication on, ${keyVariable} holds a key of the scope admin.`)
  command('apply <file>', 'put the limits of a configuration file in force in all regions, or in none')
    .option('--dry-run', 'only ask all replicas whether they would agree', false)
    .action(async (file: string, { dryRun, ...common }: Common & { dryRun: boolean }) => {
      const document = await readLimits(file)
      const path = `/v1/config/limits${dryRun ? '?dryRun=true' : ''}`
      say(common, outcome.parse(await send(common, { method: 'PUT', path, body: document })), outcomeText)
    })
  command('rollback', 'put an earlier version in force again')
    .addOption(new Option('--to <version>', 'the version; by default the one before').argParser(Number))
    .action(async ({ to, ...common }: Common & { to?: number }) => {
      const path = '/v1/config/limits/rollback'
      say(common, outcome.parse(await send(common, { method: 'POST', path, body: { to } })), outcomeText)
    })
  command('history', 'list which versions there were, the newest first').action(async (common: Common) => {
    const path = '/v1/config/limits/history'
    say(common, history.parse(await send(common, { method: 'GET', path })), historyText)
  })
}

interface ApiRequest {
  readonly method: string
  readonly path: string
  readonly body?: unknown
}

async function send({ url }: Common, { method, path, body }: ApiRequest): Promise<unknown> {
  const base = url ?? (await readEdges(process.cwd()))[0]?.url
  if (base === undefined) throw new RequestError('no edge runs for this project: name one by --url')
  await trustProjectAuthorities()
  const key = process.env[keyVariable]
  const response = await fetch(new URL(path, base), {
    method,
    headers: {
      ...(key && { authorization: `Bearer ${key}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(timeoutMs),
  }).catch((error: unknown) => {
    throw new RequestError(`${base} gives no answer`, { cause: error })
  })
  const answer: unknown = await response.json().catch(() => undefined)
  if (response.ok) return answer
  const { data } = problem.safeParse(answer)
  const why = data ? `${data.title}: ${data.detail}` : 'it is no edge'
  throw new RequestError(`${base} answers ${response.status}: ${why}`)
}

function say<Answer>(common: Common, answer: Answer, inWords: (answer: Answer) => string): void {
  outputOf(common).result(answer, inWords(answer))
}

function outcomeText({ before, after, applied, pending }: z.output<typeof outcome>): string {
  if (!after) return 'All replicas would agree. Nothing was changed.'
  const late = pending.length > 0 ? `; agreed, and not heard of since: ${pending.join(', ')}` : ''
  return `Version ${after.version} is in force in ${applied.join(', ')} (before: version ${before.version})${late}.`
}

function historyText({ items }: z.output<typeof history>): string {
  if (items.length === 0) return 'There is no version yet: each region has the limits of its file.'
  return items
    .map(({ version, at, by, digest, note }) => [version, at, by, digest, note].join('  '))
    .join('\n')
}

import { setTimeout } from 'node:timers/promises'
import type { EdgeAddress } from '../edges-file.ts'
import { statusOf, unreachable, type EdgeStatus, type Scrape } from './edge-status.ts'
import { parseExposition } from './exposition.ts'

const timeoutMs = 3000
const metricsBytesMax = 16 * 1024 * 1024
/** Edges asked at once. */
const atOnceMax = 32

export interface WatchOptions {
  /** Time between two scrapes of an edge, over which rates are taken. */
  readonly intervalMs: number
  /** An API key or JWT with the scope `read`, for edges that ask for one. */
  readonly credential: string | undefined
}

type Outcome = Scrape | { readonly problem: string }

/** Asks edges again and again; yields how they do after each round but the first. `edges` is asked before each round. */
export async function* watchEdges(
  edges: () => Promise<readonly EdgeAddress[]>,
  { intervalMs, credential }: WatchOptions,
): AsyncGenerator<readonly EdgeStatus[], never> {
  let before = new Map<string, Outcome>()
  for (let round = 0; ; round++) {
    const known = await edges()
    const now = await scrapeAll(known, credential)
    if (round > 0)
      yield known.map((edge) => judge(edge, before.get(edge.url), now.get(edge.url)!, known.length))
    before = now
    await setTimeout(intervalMs)
  }
}

function judge(edge: EdgeAddress, before: Outcome | undefined, now: Outcome, edges: number): EdgeStatus {
  if ('problem' in now) return unreachable(edge, now.problem)
  return statusOf(edge, [!before || 'problem' in before ? now : before, now], edges)
}

async function scrapeAll(
  edges: readonly EdgeAddress[],
  credential: string | undefined,
): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>()
  const left = [...edges]
  const worker = async (): Promise<void> => {
    for (let edge = left.pop(); edge; edge = left.pop())
      outcomes.set(edge.url, await scrape(edge.url, credential))
  }
  await Promise.all(Array.from({ length: atOnceMax }, worker))
  return outcomes
}

async function scrape(url: string, credential: string | undefined): Promise<Outcome> {
  const headers: Record<string, string> =
    credential === undefined ? {} : { authorization: `Bearer ${credential}` }
  const options: RequestInit = { headers, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) }
  try {
    const metrics = await fetch(`${url}/metrics`, options)
    const atMs = performance.now()
    const text = await readText(metrics)
    if (metrics.status !== 200)
      return { problem: refusals[metrics.status] ?? `/metrics answers ${metrics.status}` }
    const ready = await fetch(`${url}/ready`, options)
    await ready.body?.cancel()
    return { atMs, ready: ready.status === 200, samples: parseExposition(text) }
  } catch (error) {
    return { problem: reasonOf(error) }
  }
}

const refusals: Record<number, string> = {
  401: 'wants an API key: OPENCLAW_API_KEY',
  403: 'the API key lacks the scope read',
}

const unknownAuthority =
  'its certificate is of an authority that is not trusted here: name it by ca_file in openclaw.yaml'
/** By the codes of OpenSSL and Node. */
const certificateProblems: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is not for this host',
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > metricsBytesMax) throw new Error(`/metrics is longer than ${metricsBytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `no answer within ${timeoutMs} ms`
  const { cause } = error
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string')
    return certificateProblems[cause.code] ?? cause.code
  return error.message
}

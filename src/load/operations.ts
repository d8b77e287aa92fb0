import type { Answer, Call, Client } from './client.ts'
import { seededRandom } from './random.ts'
import { Zipf } from './zipf.ts'

export const workloads = ['rate-and-read', 'take'] as const
/** `rate-and-read`: a rating is written, and its subject's summary read through the cache. `take`: a token of a limit is taken. */
export type Workload = (typeof workloads)[number]

export interface OperationsOptions {
  readonly workload: Workload
  /** Whose tokens `take` takes. */
  readonly limit: string
  readonly users: number
  readonly userSkew: number
  readonly subjects: number
  readonly subjectSkew: number
  /** Callers are whom their key says, and may not name another. */
  readonly namesUsers: boolean
  readonly seed: number
  readonly nowMs: () => number
}

/** One call of an operation. */
export interface Step {
  readonly name: 'write' | 'read' | 'take'
  readonly answer: Answer
  readonly tookMs: number
}

const scoreMax = 5
const refused = 429

/** Makes operations, the same ones in the same order for the same seed. */
export class Operations {
  readonly #options: OperationsOptions
  readonly #random: () => number
  readonly #users: Zipf
  readonly #subjects: Zipf

  constructor(options: OperationsOptions) {
    this.#options = options
    this.#random = seededRandom(options.seed)
    const random = this.#random
    this.#users = new Zipf({ count: options.users, skew: options.userSkew, random })
    this.#subjects = new Zipf({ count: options.subjects, skew: options.subjectSkew, random })
  }

  /** Does the next one; answers its calls in order. It ends with the first that is not answered 2xx. */
  async run(client: Client): Promise<readonly Step[]> {
    const user = `load-user-${this.#users.next()}`
    const { workload, limit, namesUsers } = this.#options
    if (workload === 'take') {
      const path = `/v1/limits/${encodeURIComponent(limit)}/take`
      return [await this.#step(client, 'take', { method: 'POST', path, body: JSON.stringify({ key: user }) })]
    }
    const subject = `load-subject-${this.#subjects.next()}`
    const body = JSON.stringify({ subject, score: 1 + Math.floor(this.#random() * scoreMax) })
    const path = namesUsers ? `/rating?user=${user}` : '/rating'
    const write = await this.#step(client, 'write', { method: 'POST', path, body })
    if (!isSuccess(write.answer)) return [write]
    return [write, await this.#step(client, 'read', { method: 'GET', path: `/v1/subjects/${subject}` })]
  }

  async #step(client: Client, name: Step['name'], call: Call): Promise<Step> {
    const startMs = this.#options.nowMs()
    const answer = await client.call(call)
    return { name, answer, tookMs: this.#options.nowMs() - startMs }
  }
}

export type Outcome = 'done' | 'exhausted' | `HTTP ${number}` | Exclude<Answer, number>

/** What became of an operation: `exhausted` if a limit refused it. */
export function outcomeOf(steps: readonly Step[]): Outcome {
  const answer = steps.at(-1)!.answer
  if (typeof answer === 'string') return answer
  if (isSuccess(answer)) return 'done'
  return answer === refused ? 'exhausted' : `HTTP ${answer}`
}

function isSuccess(answer: Answer): boolean {
  return typeof answer === 'number' && answer >= 200 && answer < 300
}

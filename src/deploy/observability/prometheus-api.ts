import { z } from 'zod'
import { parseExposition } from '../status/exposition.ts'

/** Prometheus answered otherwise than expected, or not at all. */
export class PrometheusError extends Error {
  override readonly name = 'PrometheusError'
}

export interface ActiveRule {
  readonly type: 'alerting' | 'recording'
  readonly name: string
  readonly query: string
  /** Of an alerting rule; `unknown` until it has been evaluated. */
  readonly state: 'inactive' | 'pending' | 'firing' | 'unknown' | null
}

export interface ActiveGroup {
  readonly name: string
  /** The file it came from, as Prometheus sees it. */
  readonly file: string
  readonly rules: readonly ActiveRule[]
}

export interface ExpressionProblem {
  /** In the expression, from 1; null where Prometheus names no place. */
  readonly line: number | null
  readonly column: number | null
  readonly message: string
}

const timeoutMs = 10_000
const rulesSchema = z.object({
  data: z.object({
    groups: z.array(
      z.object({
        name: z.string(),
        file: z.string(),
        rules: z.array(
          z.object({
            type: z.enum(['alerting', 'recording']),
            name: z.string(),
            query: z.string(),
            state: z.enum(['inactive', 'pending', 'firing', 'unknown']).nullish(),
          }),
        ),
      }),
    ),
  }),
})
const errorSchema = z.object({ error: z.string() })

/** The HTTP API of a Prometheus server. https://prometheus.io/docs/prometheus/latest/querying/api/ */
export class PrometheusApi {
  readonly url: string

  constructor(url: string) {
    this.url = url
  }

  /** The rules that are loaded. @throws {PrometheusError} */
  async rules(): Promise<readonly ActiveGroup[]> {
    const { status, text } = await this.#get('/api/v1/rules')
    if (status !== 200)
      throw new PrometheusError(`${this.url}/api/v1/rules answers ${status}: ${text.slice(0, 200)}`)
    return rulesSchema.parse(JSON.parse(text)).data.groups.map((group) => ({
      ...group,
      rules: group.rules.map((rule) => ({ ...rule, state: rule.state ?? null })),
    }))
  }

  /** What is wrong with an expression, by the parser that will read it. @throws {PrometheusError} */
  async checkExpression(expression: string): Promise<ExpressionProblem | undefined> {
    const { status, text } = await this.#get(
      '/api/v1/format_query',
      new URLSearchParams({ query: expression }),
    )
    if (status === 200) return undefined
    if (status !== 400) throw new PrometheusError(`${this.url}/api/v1/format_query answers ${status}`)
    const { error } = errorSchema.parse(JSON.parse(text))
    const [, line, column, message] = /(\d{1,9}):(\d{1,9}): (?:parse error: )?([\s\S]*)/.exec(error) ?? []
    if (message === undefined) return { line: null, column: null, message: error }
    return { line: Number(line), column: Number(column), message }
  }

  /** How its last reading of its configuration and rules went. @throws {PrometheusError} */
  async lastReload(): Promise<{ successful: boolean; succeededAtSeconds: number }> {
    const { text } = await this.#get('/metrics')
    const samples = parseExposition(text)
    const value = (name: string): number => samples.get(name)?.[0]?.value ?? NaN
    return {
      successful: value('prometheus_config_last_reload_successful') === 1,
      succeededAtSeconds: value('prometheus_config_last_reload_success_timestamp_seconds'),
    }
  }

  async #get(path: string, query?: URLSearchParams): Promise<{ status: number; text: string }> {
    try {
      const response = await fetch(`${this.url}${path}`, {
        // A form, because an expression may be longer than a URL.
        ...(query && { method: 'POST', body: query }),
        signal: AbortSignal.timeout(timeoutMs),
      })
      return { status: response.status, text: await response.text() }
    } catch (error) {
      throw new PrometheusError(`Prometheus doesn't answer at ${this.url}`, { cause: error })
    }
  }
}

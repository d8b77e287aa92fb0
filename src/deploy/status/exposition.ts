/** One time series at one moment. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Samples by the name of their metric. */
export type Samples = ReadonlyMap<string, readonly Sample[]>

const linePattern = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/
const labelPattern = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/g
const infinities: Record<string, number> = { '+Inf': Infinity, '-Inf': -Infinity }

/**
 * Reads Prometheus' text exposition format, version 0.0.4. Lines that are no samples (comments, types) are passed over.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function parseExposition(text: string): Samples {
  const samples = new Map<string, Sample[]>()
  for (const line of text.split('\n')) {
    const [, name, labels = '', value = ''] = linePattern.exec(line) ?? []
    if (name === undefined) continue
    const series = samples.get(name) ?? []
    samples.set(name, series)
    series.push({ labels: parseLabels(labels), value: infinities[value] ?? Number(value) })
  }
  return samples
}

function parseLabels(text: string): Record<string, string> {
  const pairs = [...text.matchAll(labelPattern)].map(([, name, value]) => [name!, unescape(value!)] as const)
  return Object.fromEntries(pairs)
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, (_match, character: string) => (character === 'n' ? '\n' : character))
}

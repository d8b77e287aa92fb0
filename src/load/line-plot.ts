export interface LinePlot {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  /** Marks of the x axis, at least two; its ends are the first and the last. */
  readonly xTicks: readonly { readonly x: number; readonly text: string }[]
  readonly series: readonly {
    readonly name: string
    readonly points: readonly (readonly [number, number])[]
  }[]
}

const width = 760
const height = 280
const left = 64
const right = 28
const top = 44
const bottom = 44
const colors = ['#0b6e4f', '#c2571a', '#33539e', '#8a4f9e', '#7a6a00', '#a32a44', '#1d7f8c', '#555555']
const yTicksMax = 5

/** Lines over a common x axis as an SVG picture; the y axis begins at 0. */
export function linePlotSvg({ title, xLabel, yLabel, xTicks, series }: LinePlot): string {
  const [first, last] = [xTicks[0]!.x, xTicks.at(-1)!.x]
  const yMax = Math.max(...series.flatMap(({ points }) => points.map(([, y]) => y)), 0)
  const step = niceStep(yMax / yTicksMax)
  const yTop = Math.max(step, Math.ceil(yMax / step) * step)
  const toX = (x: number): string =>
    (left + ((x - first) / (last - first || 1)) * (width - left - right)).toFixed(1)
  const toY = (y: number): string => (height - bottom - (y / yTop) * (height - top - bottom)).toFixed(1)
  const yTicks = Array.from({ length: Math.round(yTop / step) + 1 }, (_, at) => at * step)
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">`,
    `<text x="${left}" y="16" class="title">${escapeHtml(title)}</text>`,
    ...yTicks.map(
      (y) =>
        `<line x1="${left}" x2="${width - right}" y1="${toY(y)}" y2="${toY(y)}" class="grid"/><text x="${left - 8}" y="${Number(toY(y)) + 4}" text-anchor="end">${Number(y.toPrecision(6)).toLocaleString('en-US')}</text>`,
    ),
    ...xTicks.map(
      ({ x, text }) =>
        `<text x="${toX(x)}" y="${height - bottom + 18}" text-anchor="middle">${escapeHtml(text)}</text>`,
    ),
    `<text x="${width - right}" y="${height - 6}" text-anchor="end">${escapeHtml(xLabel)}</text>`,
    `<text x="${left}" y="34">${escapeHtml(yLabel)}</text>`,
    ...series.map(
      ({ points }, at) =>
        `<polyline fill="none" stroke="${colorOf(at)}" stroke-width="1.8" points="${points.map(([x, y]) => `${toX(x)},${toY(y)}`).join(' ')}"/>`,
    ),
    '</svg>',
  ].join('\n')
}

/** Which colour stands for which series, as HTML. */
export function legendHtml(names: readonly string[]): string {
  return names
    .map((name, at) => `<span><i style="background:${colorOf(at)}"></i>${escapeHtml(name)}</span>`)
    .join(' ')
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

function colorOf(at: number): string {
  return colors[at % colors.length]!
}

/** The least of 1, 2 and 5 times a power of ten that is not below. */
function niceStep(atLeast: number): number {
  if (atLeast <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(atLeast))
  return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= atLeast * (1 - 1e-9))!
}

export interface Bars {
  readonly title: string
  readonly groups: readonly string[]
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[]
  readonly max: number
  readonly format: (value: number) => string
  /** A line across: what is right. */
  readonly mark: number
}

const colors = ['#0b6e4f', '#08a045', '#c9a227', '#8d99ae', '#e07a5f', '#9a031e', '#5f0f40', '#3d405b']
const barHeight = 9
const left = 330
const width = 900
const top = 56

/** Horizontal bars in groups, as an SVG picture; bars beyond `max` are cut and say their value. */
export function barsSvg({ title, groups, series, max, format, mark }: Bars): string {
  const groupHeight = series.length * barHeight + 16
  const height = top + groups.length * groupHeight + 20
  const x = (value: number): number => left + (Math.min(value, max) / max) * (width - left - 90)
  const rows = groups.flatMap((group, index) => {
    const y = top + index * groupHeight
    const middle = y + (series.length * barHeight) / 2 + 4
    return [
      `<text x="${left - 10}" y="${middle}" text-anchor="end">${escape(group)}</text>`,
      ...series.map(({ values }, bar) => {
        const value = values[index]!
        const at = y + bar * barHeight
        return `<rect x="${left}" y="${at}" width="${(x(value) - left).toFixed(1)}" height="${barHeight - 1}" fill="${colors[bar]}"/><text x="${(x(value) + 4).toFixed(1)}" y="${at + 8}" class="value">${escape(format(value))}</text>`
      }),
    ]
  })
  const legend = series.map(
    ({ name }, index) =>
      `<rect x="${20 + index * 108}" y="30" width="9" height="9" fill="${colors[index]}"/><text x="${33 + index * 108}" y="38" class="value">${escape(name)}</text>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(title)}">`,
    '<style>text{font:12px system-ui,sans-serif;fill:#222}.value{font-size:9px}.title{font-size:15px;font-weight:600}</style>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="20" y="20" class="title">${escape(title)}</text>`,
    ...legend,
    `<line x1="${x(mark)}" x2="${x(mark)}" y1="${top - 6}" y2="${height - 16}" stroke="#222" stroke-dasharray="3 3"/>`,
    ...rows,
    '</svg>',
    '',
  ].join('\n')
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

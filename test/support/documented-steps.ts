import { readFileSync } from 'node:fs'

/** A shell block of a page of the documentation, and what the page shows of its output. */
export interface DocumentedStep {
  /** Of the section that it stands in. */
  readonly heading: string
  readonly script: string
  readonly output: string
}

const block = /^## (?<heading>.+)$|^```(?<language>\w+)\n(?<text>[\s\S]*?)^```$/gm

/** The blocks marked `sh` of a Markdown page, each with the blocks marked `text` and `json` that follow it. */
export function documentedSteps(page: URL): DocumentedStep[] {
  const steps: { heading: string; script: string; output: string }[] = []
  let heading = ''
  for (const { groups } of readFileSync(page, 'utf8').matchAll(block)) {
    const { language, text = '' } = groups!
    if (language === undefined) heading = groups!['heading']!
    else if (language === 'sh') steps.push({ heading, script: text, output: '' })
    else if (language === 'text' || language === 'json') steps.at(-1)!.output += text
  }
  return steps
}

/**
 * Whether all documented lines are printed, in their order. White space counts as one space, `…` for anything in a line.
 * @throws {Error} with the first line that isn't
 */
export function expectDocumented(printed: string, documented: string): void {
  let rest = printed
  for (const line of documented.split('\n').filter((one) => one.trim() !== '')) {
    const found = patternOf(line).exec(rest)
    if (!found) throw new Error(`not printed:\n${line}\nIn what is left of the output:\n${rest}`)
    rest = rest.slice(found.index + found[0].length)
  }
}

function patternOf(line: string): RegExp {
  const parts = line
    .trim()
    .split(/\s*…\s*/)
    .map((part) =>
      part
        .split(/\s+/)
        .map((word) => RegExp.escape(word))
        .join('[^\\S\\n]+'),
    )
  return new RegExp(parts.join('[^\\n]*?'))
}

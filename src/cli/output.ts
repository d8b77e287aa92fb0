import { styleText } from 'node:util'

/** How a command speaks: to people, or in JSON to programs. */
export interface Output {
  /** Says how long work goes on; to people only. */
  readonly step: (text: string) => void
  /** The outcome: the one thing on standard output. */
  readonly result: (value: unknown, text: string) => void
}

export function outputOf({ json = false }: { json?: boolean }): Output {
  return {
    step: (text) => {
      if (!json) process.stderr.write(`${styleText('dim', text, { stream: process.stderr })}\n`)
    },
    result: (value, text) => {
      process.stdout.write(json ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`)
    },
  }
}

/** Columns for people; colours only where they are wanted (NO_COLOR, no terminal). */
export function mark(state: 'ok' | 'warning' | 'problem'): string {
  const marks = { ok: ['green', '✓'], warning: ['yellow', '!'], problem: ['red', '✗'] } as const
  const [colour, sign] = marks[state]
  return styleText(colour, sign, { stream: process.stdout })
}

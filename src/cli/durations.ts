import { InvalidArgumentError } from 'commander'
import { durationMs } from '../deploy/durations.ts'

/** Parses an option that is a duration in a range, such as `5s`, into milliseconds. */
export function duration(name: string, minMs: number, maxMs: number): (text: string) => number {
  return (text) => {
    try {
      return durationMs(text, { minMs, maxMs })
    } catch (error) {
      throw new InvalidArgumentError(`${name} ${error instanceof Error ? error.message : ''}`)
    }
  }
}

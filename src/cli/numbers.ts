import { InvalidArgumentError } from 'commander'

/** Parses an option that is a whole number in a range. */
export function wholeNumber(name: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new InvalidArgumentError(
      `${name} ${text} is not allowed; allowed: a whole number from ${min} to ${max}`,
    )
  }
}

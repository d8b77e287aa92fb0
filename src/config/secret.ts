import { inspect } from 'node:util'
import { redacted } from './problem.ts'

/** A text that no log, error or dump shows; only `reveal` gives it. */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  reveal(): string {
    return this.#text
  }

  toJSON(): string {
    return redacted
  }

  toString(): string {
    return redacted
  }

  [inspect.custom](): string {
    return redacted
  }
}

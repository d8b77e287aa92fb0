import { closeSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import type { Readable } from 'node:stream'

/** A log begins anew at this size; the one before is kept beside it. */
const bytesMax = 16 * 1024 * 1024
const tailCharsMax = 4000

/** A file that output of processes is appended to, within a bound. */
export class LogFile {
  readonly #path: string
  #fd: number
  #bytes: number
  #tail = ''

  constructor(path: string) {
    this.#path = path
    this.#fd = openSync(path, 'a', 0o600)
    this.#bytes = statSync(path).size
  }

  /** The end of what was written since the start. */
  get tail(): string {
    return this.#tail
  }

  append(text: string): void {
    if (this.#bytes >= bytesMax) this.#rotate()
    this.#bytes += writeSync(this.#fd, text)
    this.#tail = (this.#tail + text).slice(-tailCharsMax)
  }

  follow(...streams: readonly (Readable | null)[]): void {
    for (const stream of streams) stream?.setEncoding('utf8').on('data', (text: string) => this.append(text))
  }

  close(): void {
    closeSync(this.#fd)
  }

  #rotate(): void {
    closeSync(this.#fd)
    renameSync(this.#path, `${this.#path}.1`)
    this.#fd = openSync(this.#path, 'a', 0o600)
    this.#bytes = 0
  }
}

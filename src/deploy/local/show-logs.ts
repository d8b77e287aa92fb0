import { open, type FileHandle } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LogOptions } from '../target.ts'
import type { Layout } from './layout.ts'

const tailBytesMax = 4 * 1024 * 1024
const chunkBytes = 65_536
const pollMs = 200

/** The last lines of the regions' logs, and then what is added. */
export async function showLogs(places: Layout, options: LogOptions): Promise<void> {
  const tails = options.regions.map((region) => new Tail(places.log(region)))
  for (const [index, region] of options.regions.entries()) {
    const lines = await tails[index]!.start(options.lines)
    for (const line of lines) options.onLine(region, line)
  }
  while (options.follow && !options.follow.aborted) {
    for (const [index, region] of options.regions.entries()) {
      for (const line of await tails[index]!.added()) options.onLine(region, line)
    }
    await sleep(pollMs, undefined, { signal: options.follow }).catch(() => {})
  }
  for (const tail of tails) await tail.close()
}

/** Reads a file from its end on, also one that is renamed and begun anew. */
class Tail {
  readonly #path: string
  #file: FileHandle | undefined
  #position = 0
  #rest = ''

  constructor(path: string) {
    this.#path = path
  }

  async start(lines: number): Promise<string[]> {
    this.#file = await open(this.#path).catch(() => undefined)
    if (!this.#file) return []
    const { size } = await this.#file.stat()
    this.#position = Math.max(0, size - tailBytesMax)
    return lines === 0 ? (await this.#read(), []) : (await this.#read()).slice(-lines)
  }

  async added(): Promise<string[]> {
    if (!this.#file) return this.start(Number.MAX_SAFE_INTEGER)
    const lines = await this.#read()
    const now = await open(this.#path).catch(() => undefined)
    const [before, after] = [await this.#file.stat(), await now?.stat()]
    if (!now || !after || after.ino === before.ino) {
      await now?.close()
      return lines
    }
    lines.push(...(await this.#read()))
    await this.#file.close()
    this.#file = now
    this.#position = 0
    return [...lines, ...(await this.#read())]
  }

  async close(): Promise<void> {
    await this.#file?.close()
  }

  async #read(): Promise<string[]> {
    const chunks: Buffer[] = []
    for (;;) {
      const { bytesRead, buffer } = await this.#file!.read({
        buffer: Buffer.alloc(chunkBytes),
        position: this.#position,
      })
      if (bytesRead === 0) break
      this.#position += bytesRead
      chunks.push(buffer.subarray(0, bytesRead))
    }
    const lines = (this.#rest + Buffer.concat(chunks).toString('utf8')).split('\n')
    this.#rest = lines.pop() ?? ''
    return lines
  }
}

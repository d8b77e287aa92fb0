import { readFile, stat } from 'node:fs/promises'
import type { ConfigProblem } from './problem.ts'

export type TextResult =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly errors: readonly ConfigProblem[] }

const fileBytesMax = 1_048_576

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'this process may not read the file',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'not UTF-8 text',
}

/** Reads a configuration file; one that can't be read is a problem like any other. */
export async function readConfigText(path: string): Promise<TextResult> {
  const refused = (message: string): TextResult => ({ ok: false, errors: [fileProblem(path, message)] })
  try {
    const status = await stat(path)
    if (!status.isFile()) return refused('not a file')
    const tooLarge = sizeProblem(path, status.size)
    if (tooLarge) return { ok: false, errors: [tooLarge] }
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
    return { ok: true, text }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    return refused(reasons[code] ?? `the file can't be read (${code})`)
  }
}

/** What is wrong with a file of that size, if anything. */
export function sizeProblem(file: string, bytes: number): ConfigProblem | undefined {
  if (bytes <= fileBytesMax) return undefined
  return fileProblem(file, `${bytes} bytes are not allowed; allowed: up to ${fileBytesMax}`)
}

/** A problem of the file as a whole. */
export function fileProblem(file: string, message: string): ConfigProblem {
  return { file, line: null, column: null, path: '', value: null, message }
}

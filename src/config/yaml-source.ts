import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Alias,
  type Document,
  type Pair,
  type ParsedNode,
  type YAMLError,
  type YAMLMap,
} from 'yaml'
import { oneLine, show } from './problem.ts'
import type { Path, RawMap } from './raw.ts'

export interface Position {
  /** From 1. */
  readonly line: number
  readonly column: number
}

export interface SourceProblem {
  readonly position: Position
  readonly path: Path
  readonly message: string
  /** Whether what stands behind it in the file may have been misread. */
  readonly breaking: boolean
}

const depthMax = 32
/** More than a file of the largest size holds; aliases may not multiply beyond it. */
const valuesMax = 500_000
/** Keys by which JavaScript objects can be subverted. */
const dangerousKeys = new Set(['__proto__', 'constructor', 'prototype'])

interface Anchor {
  readonly node: ParsedNode
  readonly value: unknown
  readonly values: number
}

/** A YAML 1.2 text as JavaScript values, with the place of each. Reading never throws: what is wrong is in `problems`. */
export class YamlSource {
  readonly problems: SourceProblem[] = []
  /** Null for an empty file. */
  readonly raw: unknown
  readonly #lines = new LineCounter()
  readonly #root: ParsedNode | null
  readonly #pairs = new Map<YAMLMap, Map<string, Pair<ParsedNode, ParsedNode | null>>>()
  readonly #targets = new Map<Alias, ParsedNode>()
  readonly #anchors = new Map<string, Anchor>()
  #values = 0

  constructor(text: string) {
    const document = this.#parse(text)
    this.#root = document?.contents ?? null
    this.raw = this.#read(this.#root, [])
  }

  /** Where the value at a path stands, or its key; for what is missing, the key of the innermost map that is there. */
  locate(path: Path, part: 'key' | 'value' = 'value'): Position {
    let key: ParsedNode | null = null
    let node: ParsedNode | null = this.#resolve(this.#root)
    for (const step of path) {
      const pair = isMap(node) ? this.#pairs.get(node)?.get(String(step)) : undefined
      const item = isSeq<ParsedNode>(node) ? node.items[Number(step)] : undefined
      if (!pair && !item) return this.#positionOf(key ?? node)
      key = pair?.key ?? null
      node = this.#resolve(pair?.value ?? item ?? null)
    }
    const isEmpty = isScalar(node) && node.range[0] === node.range[1]
    return this.#positionOf(key && (part === 'key' || isEmpty) ? key : (node ?? key))
  }

  #parse(text: string): Document.Parsed | undefined {
    const options = {
      lineCounter: this.#lines,
      prettyErrors: false,
      version: '1.2',
      schema: 'core',
      merge: false,
      resolveKnownTags: false,
      stringKeys: true,
      // Checked here, because the library compares each key with each other one.
      uniqueKeys: false,
      logLevel: 'error',
    } as const
    let document: Document.Parsed
    try {
      document = parseDocument(text, options)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#addError({ code: 'RESOURCE_EXHAUSTION', message: '', pos: [0, 0] })
      return undefined
    }
    // A closing bracket that stands as far left as its key is a warning, and common.
    const warnings = document.warnings.filter(({ code }) => code !== 'BAD_INDENT')
    const exhausted = document.errors.find(({ code }) => code === 'RESOURCE_EXHAUSTION')
    let last = -1
    for (const error of exhausted ? [exhausted] : [...document.errors, ...warnings]) {
      // One slip often makes the library complain several times of one place.
      if (error.pos[0] !== last) this.#addError(error)
      last = error.pos[0]
    }
    return document
  }

  #addError({ code, message, pos }: Pick<YAMLError, 'code' | 'message' | 'pos'>): void {
    // Behind a colon the library quotes the text, which may be a secret.
    const detail = oneLine(errorTexts[code] ?? message.split(': ', 1)[0]!)
    this.#add(pos[0], [], `not valid YAML: ${detail}`, true)
  }

  #add(offset: number, path: Path, message: string, breaking: boolean): void {
    const { line, col } = this.#lines.linePos(offset)
    this.problems.push({
      position: { line: Math.max(line, 1), column: Math.max(col, 1) },
      path,
      message,
      breaking,
    })
  }

  #read(node: ParsedNode | null, path: Path): unknown {
    if (node === null) return null
    if (isAlias(node)) return this.#readAlias(node, path)
    const before = this.#values
    if (!this.#count(1, node, path)) return null
    const value = isScalar(node) ? node.value : this.#readCollection(node, path)
    if (node.anchor !== undefined)
      this.#anchors.set(node.anchor, { node, value, values: this.#values - before })
    return value
  }

  #readCollection(node: ParsedNode, path: Path): unknown {
    if (path.length >= depthMax) {
      this.#add(node.range[0], path, `nested too deeply; allowed: up to ${depthMax} levels`, true)
      return null
    }
    if (isSeq<ParsedNode>(node)) return node.items.map((item, at) => this.#read(item, [...path, at]))
    if (isMap<ParsedNode, ParsedNode | null>(node)) return this.#readMap(node, path)
    return null
  }

  #readMap(node: YAMLMap<ParsedNode, ParsedNode | null>, path: Path): RawMap {
    const pairs = new Map<string, Pair<ParsedNode, ParsedNode | null>>()
    this.#pairs.set(node, pairs)
    const map: RawMap = {}
    for (const pair of node.items) {
      const key = isScalar(pair.key) ? String(pair.key.value) : ''
      const [offset] = pair.key.range
      const first = pairs.get(key)
      const at = [...path, key]
      if (first) {
        const { line } = this.#positionOf(first.key)
        this.#add(offset, at, `duplicate key; it is defined on line ${line} already`, false)
      } else if (dangerousKeys.has(key)) {
        this.#add(offset, at, 'this key is not allowed', false)
      } else {
        pairs.set(key, pair)
        map[key] = this.#read(pair.value, at)
      }
    }
    return map
  }

  /** An anchor is known behind its node only, so that no alias can stand in what it stands for. */
  #readAlias(alias: Alias.Parsed, path: Path): unknown {
    const anchor = this.#anchors.get(alias.source)
    if (!anchor) {
      this.#add(alias.range[0], path, `alias ${show(alias.source)} has no anchor before it`, true)
      return null
    }
    this.#targets.set(alias, anchor.node)
    return this.#count(anchor.values, alias, path) ? anchor.value : null
  }

  #count(values: number, node: ParsedNode, path: Path): boolean {
    const within = this.#values <= valuesMax
    this.#values += values
    if (this.#values <= valuesMax) return true
    if (within)
      this.#add(node.range[0], path, `too many values; allowed: up to ${valuesMax}, aliases counted`, true)
    return false
  }

  #resolve(node: ParsedNode | null): ParsedNode | null {
    return isAlias(node) ? (this.#targets.get(node) ?? node) : node
  }

  #positionOf(node: ParsedNode | null): Position {
    const { line, col } = this.#lines.linePos(node?.range[0] ?? 0)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
}

/** Where the library's own words would not help, or quote the text. */
const errorTexts: Partial<Record<YAMLError['code'], string>> = {
  BAD_DIRECTIVE: 'directives other than %YAML 1.2 are not allowed',
  MULTIPLE_DOCS: 'more than one document; allowed: one',
  NON_STRING_KEY: 'a key that is no text',
  RESOURCE_EXHAUSTION: `nested too deeply; allowed: up to ${depthMax} levels`,
  TAG_RESOLVE_FAILED: 'tags (!name) are not allowed',
  UNEXPECTED_TOKEN: 'unexpected text here',
}

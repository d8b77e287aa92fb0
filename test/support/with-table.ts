/** A document in which the lines between `<!-- marker -->` and `<!-- /marker -->` are these. */
export function withTable(document: string, marker: string, contents: string): string {
  const [start, end] = [`<!-- ${marker} -->`, `<!-- /${marker} -->`]
  const [before, rest] = document.split(start)
  const after = rest?.split(end)[1]
  if (before === undefined || after === undefined) throw new Error(`the document has no place for ${marker}`)
  return `${before}${start}\n\n${contents}\n\n${end}${after}`
}

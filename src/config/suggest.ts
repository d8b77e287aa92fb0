/** The candidate that `word` was probably meant to be: one that it begins, or that differs by a third of its letters at most. */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  const lengthMax = 64
  if (word.length > lengthMax) return undefined
  const plain = normalize(word)
  const near = candidates
    .map((candidate) => ({ candidate, edits: distance(plain, normalize(candidate)) }))
    .filter(({ candidate, edits }) => edits <= Math.max(1, Math.floor(candidate.length / 3)))
    .toSorted((a, b) => a.edits - b.edits)
  return near[0]?.candidate
}

/** `refillPerSec` and `refill-per-sec` are `refill_per_sec`. */
function normalize(word: string): string {
  return word.toLowerCase().replace(/[_\s-]/g, '')
}

function distance(word: string, candidate: string): number {
  const prefixMin = 3
  return word.length >= prefixMin && candidate.startsWith(word) ? 1 : editDistance(word, candidate)
}

/** Letters to add, drop, change or swap with a neighbour (optimal string alignment distance). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      let edits = Math.min(last[j]! + 1, row[j - 1]! + 1, changed)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) edits = Math.min(edits, beforeLast[j - 2]! + 1)
      row.push(edits)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}

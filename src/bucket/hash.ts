/** A 64-bit key as two 32-bit halves: JavaScript has no fast 64-bit integers. */
export interface Key64 {
  readonly lo: number
  readonly hi: number
}

const encoder = new TextEncoder()

/** How many rounds a block of four bytes, and how many at each end. */
export interface Rounds {
  readonly compression: number
  readonly finalization: number
}

const rounds13: Rounds = { compression: 1, finalization: 3 }

/**
 * HalfSipHash with a 64-bit tag (Aumasson and Bernstein, "SipHash: a fast short-input PRF"; reference `halfsiphash.c`) of a
 * string's UTF-8 bytes. Keyed, so that nobody without the cluster's secret can choose keys that collide, and no raw key need
 * leave its region. With 1 and 3 rounds by default, as Linux hashes its tables (`hsiphash`).
 */
export class KeyedHash {
  readonly #key: Key64
  readonly #rounds: Rounds
  /** Halves of the last hash, signed 32-bit integers: fields, because an object for each call would cost as much as the hash. */
  lo = 0
  hi = 0

  constructor(key: Key64, rounds = rounds13) {
    this.#key = key
    this.#rounds = rounds
  }

  /** A hash of its own for each name under this one, so that the same user is another hash under each limit. */
  derive(name: string): KeyedHash {
    this.update(name)
    return new KeyedHash({ lo: this.lo, hi: this.hi }, this.#rounds)
  }

  /** Hashes `text` and leaves the result in `lo` and `hi`. */
  update(text: string): void {
    if (this.#hash(text, 0x7f)) return
    let bytes = ''
    for (const byte of encoder.encode(text)) bytes += String.fromCharCode(byte)
    this.#hash(bytes, 0xff)
  }

  /**
   * Hashes a string whose every unit is one byte; answers false, and no hash, when a unit is above `unitMax`.
   * One function with local words and the rounds written as a loop: four times as fast as a state object.
   */
  #hash(text: string, unitMax: number): boolean {
    const { lo: k0, hi: k1 } = this.#key
    const { compression, finalization } = this.#rounds
    const length = text.length
    let v0 = k0
    let v1 = k1 ^ 0xee
    let v2 = 0x6c796765 ^ k0
    let v3 = 0x74656462 ^ k1
    const blocks = (length >> 2) + 1
    let units = 0
    // After the blocks of the text, the last of which holds its length, come the two finalisations.
    for (let block = 0; block < blocks + 2; block++) {
      let word = 0
      let rounds = compression
      if (block < blocks - 1) {
        const at = block << 2
        const a = text.charCodeAt(at)
        const b = text.charCodeAt(at + 1)
        const c = text.charCodeAt(at + 2)
        const d = text.charCodeAt(at + 3)
        units |= a | b | c | d
        word = a | (b << 8) | (c << 16) | (d << 24)
      } else if (block === blocks - 1) {
        word = length << 24
        for (let at = block << 2, shift = 0; at < length; at++, shift += 8) {
          const unit = text.charCodeAt(at)
          units |= unit
          word |= unit << shift
        }
        if (units > unitMax) return false
      } else {
        rounds = finalization
        if (block === blocks) v2 ^= 0xee
        else {
          this.lo = v1 ^ v3
          v1 ^= 0xdd
        }
      }
      v3 ^= word
      for (let i = 0; i < rounds; i++) {
        v0 = (v0 + v1) | 0
        v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
        v0 = (v0 << 16) | (v0 >>> 16)
        v2 = (v2 + v3) | 0
        v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
        v0 = (v0 + v3) | 0
        v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
        v2 = (v2 + v1) | 0
        v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
        v2 = (v2 << 16) | (v2 >>> 16)
      }
      v0 ^= word
    }
    this.hi = v1 ^ v3
    return true
  }
}

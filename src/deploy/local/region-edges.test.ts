import { beforeEach, expect, test } from 'vitest'
import { RegionEdges, type RollingEdge } from './region-edges.ts'

/** An edge that becomes ready, fails or crashes when told to. */
class FakeEdge implements RollingEdge {
  readonly replica: string
  readonly release: string
  readonly pid = 1
  hasEnded = false
  #onCrash = (): void => {}

  constructor(release: string, ordinal: number) {
    this.release = release
    this.replica = `us/${ordinal}`
  }

  onCrash(callback: () => void): void {
    this.#onCrash = callback
  }

  async ready(): Promise<void> {
    events.push(`start ${this.name}`)
    await Promise.resolve()
    if (this.hasEnded || this.release.startsWith('broken')) throw new Error(`${this.name} failed`)
    if (this.release === 'half' && this.replica === 'us/0') throw new Error(`${this.name} failed`)
  }

  stop(): Promise<void> {
    this.hasEnded = true
    events.push(`stop ${this.name}`)
    return Promise.resolve()
  }

  crash(): void {
    this.hasEnded = true
    this.#onCrash()
  }

  get name(): string {
    return `${this.release} ${this.replica}`
  }
}

let events: string[]
let serving: FakeEdge | undefined
let edges: RegionEdges<FakeEdge>
const release = (name: string) => (ordinal: number) => new FakeEdge(name, ordinal)

beforeEach(() => {
  events = []
  serving = undefined
  edges = new RegionEdges<FakeEdge>({
    front: {
      serveBy: (edge) => {
        serving = edge
        events.push(`serve ${edge?.name ?? 'nobody'}`)
      },
    },
    onEvent: () => {},
  })
})

test('the first release starts alone', async () => {
  await edges.roll(release('a'))
  expect(events).toEqual(['start a us/0', 'serve a us/0'])
})

test('a second stands in until the first is replaced, and nothing stops while it serves', async () => {
  await edges.roll(release('a'))
  events = []
  await edges.roll(release('b'))
  expect(events).toEqual([
    'start b us/1',
    'serve b us/1',
    'stop a us/0',
    'start b us/0',
    'serve b us/0',
    'stop b us/1',
  ])
})

test('a release that does not become ready changes nothing', async () => {
  await edges.roll(release('a'))
  events = []
  await expect(edges.roll(release('broken'))).rejects.toThrow('broken us/1 failed')
  expect(events).toEqual(['start broken us/1'])
  expect(serving?.name).toBe('a us/0')
})

test('a release that fails only in place of the first gives way to what ran before', async () => {
  await edges.roll(release('a'))
  await expect(edges.roll(release('half'))).rejects.toThrow('half us/0 failed')
  // In turn, so after what brings the earlier release back.
  await edges.roll(release('a'))
  expect(serving?.name).toBe('a us/0')
  expect(events.filter((event) => event === 'serve nobody')).toEqual([])
})

test('an edge that crashes is replaced, and another stands in meanwhile', async () => {
  await edges.roll(release('a'))
  const first = serving!
  events = []
  first.crash()
  expect(edges.restarts).toBe(1)
  await edges.roll(release('a'))
  expect(events.slice(0, 4)).toEqual(['serve nobody', 'start a us/1', 'start a us/0', 'serve a us/1'])
  expect(serving?.name).toBe('a us/0')
  expect(serving).not.toBe(first)
})

test('after closing nobody serves, and all have ended', async () => {
  await edges.roll(release('a'))
  const last = serving!
  await edges.close()
  expect(serving).toBeUndefined()
  expect(last.hasEnded).toBe(true)
  last.crash()
  expect(events.at(-1)).toBe('stop a us/0')
})

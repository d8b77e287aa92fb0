import { spawnSync } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { KeyedHash } from '../src/bucket/hash.ts'
import { PooledBuckets } from '../src/bucket/pooled-buckets.ts'
import { median, type BenchRow } from './report.ts'

const buckets = 1_000_000
const peers = 2
const rounds = 3
const bytesGoal = 96
const child = 'child'

function run(what: string): number {
  const file = fileURLToPath(import.meta.url)
  // A small young generation: the garbage collector's working space is no bucket's memory, and would be tens of megabytes.
  const options = ['--expose-gc', '--max-semi-space-size=1']
  const { stdout, status } = spawnSync(process.execPath, [...options, file, child, what], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`the memory benchmark's process ended with ${status}`)
  return Number(stdout)
}

/** Memory a bucket, as the process's own (resident) memory: in a process of its own, before and after a million buckets. */
export function benchMemory(): BenchRow[] {
  const [ours, map] = ['ours', 'map'].map((what) =>
    median(Array.from({ length: rounds }, () => run(what))),
  ) as [number, number]
  return [
    {
      name: `memory a bucket, ${buckets.toLocaleString('en-US')} buckets, ${peers + 1} replicas (baseline: a Map of plain objects)`,
      ours: `${ours.toFixed(1)} B`,
      baseline: `${map.toFixed(1)} B`,
      ratio: ours / map,
      goal: `≤ ${bytesGoal} B`,
    },
  ]
}

async function residentBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    // Freed array buffers are returned to the system by another thread.
    await setTimeout(100)
  }
  return process.memoryUsage.rss()
}

/** Every bucket taken from here and by both peers, so that no column stays untouched. */
function fillOurs(names: number): unknown {
  const hash = new KeyedHash({ lo: 1, hi: 2 })
  const table = new PooledBuckets(1, {
    limit: 'ratings',
    capacity: 12_000,
    refillPerSec: 0.001,
    bucketsMax: 4_000_000,
    idleMs: 1200,
    nowMs: 0,
  })
  table.setReplicas(peers + 1)
  for (let i = 0; i < buckets; i++) {
    hash.update(`user:${i % names}`)
    table.take(hash, 1, 0)
    for (let slot = 1; slot <= peers; slot++) {
      const entry = {
        lo: hash.lo,
        hi: hash.hi,
        generation: 1,
        taken: 2,
        returned: 1,
        ownDebt: 1,
        debt: Number.NaN,
      }
      table.merge(slot, entry, 'exact', 0)
    }
    if (i % 1000 === 999) table.drainChanged(1000, 0, () => {})
  }
  return table
}

function fillMap(names: number): unknown {
  const map = new Map<string, { tokens: number; atMs: number; taken: Record<string, number> }>()
  for (let i = 0; i < buckets; i++) {
    map.set(`user:${i % names}`, {
      tokens: 11_999.5,
      atMs: 0.5,
      taken: { 'us-east-1/0': 1, 'eu-central-1/0': 2, 'ap-southeast-2/0': 2 },
    })
  }
  return map
}

if (process.argv[2] === child) {
  const fill = process.argv[3] === 'ours' ? fillOurs : fillMap
  // The same work on few buckets first: what the process itself needs for it is no bucket's memory.
  fill(1000)
  const before = await residentBytes()
  const held = fill(buckets)
  const bytes = (await residentBytes()) - before
  process.stdout.write(String(held ? bytes / buckets : 0))
}

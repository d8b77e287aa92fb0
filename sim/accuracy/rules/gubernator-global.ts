import type { Rule, World } from '../rule.ts'

/** How long hits, and changed limits, are collected before they are sent (`GlobalSyncWait`). */
const SYNC_WAIT_MS = 100
/** How long a send waits for its reply (`GlobalTimeout`). */
const TIMEOUT_MS = 500
/** So many keys are sent without waiting (`GlobalBatchLimit`). */
const BATCH_KEYS = 1_000

// Protobuf without framing, for a limit's name of 16 B. Times take 7 B with their tag, other numbers 2 to 4 B.
/** `RateLimitReq`: length 2, name 18, key 2 + n, hits 3, limit 4, duration 4, algorithm 2, behavior 2, burst 4, created_at 7. */
const HITS_BYTES = 48
/** `RateLimitResp`: length 2, status 2, limit 4, remaining 4, reset_time 7. */
const STATUS_BYTES = 19
/** `UpdatePeerGlobal`: length 2, key 2 + 17 + n, the status, algorithm 2, duration 4, created_at 7. */
const UPDATE_BYTES = 34 + STATUS_BYTES

/** What a peer keeps of a key (`CacheItem` with a `LeakyBucketItem`). `remaining` has fractions, times are whole milliseconds. */
interface Item {
  remaining: number
  updatedAtMs: number
  expireAtMs: number
}

interface Hits {
  hits: number
  /** When the first of them was asked. */
  readonly createdAtMs: number
}

interface Status {
  readonly over: boolean
  readonly remaining: number
  readonly resetAtMs: number
}

/**
 * gubernator with `Behavior = GLOBAL`: each key has an owner. The others decide at once by their copy of its state, count their
 * hits in the copy, and send the hits to the owner; the owner broadcasts its state, which replaces the copies.
 *
 * Source: github.com/gubernator-io/gubernator (once mailgun/gubernator): `global.go` at 13835ed3, `gubernator.go` at 019a6f2b
 * and 2829445f, `algorithms.go` at 1954bede, `cache.go` at 6dff201b, `interval.go` at a634f409, `config.go` at b878325a,
 * `gubernator.proto` at 08aa9b9a, `peers.proto` at 49d3f3cb.
 *
 * Mapping: LEAKY_BUCKET, which refills bit by bit as a token bucket does (TOKEN_BUCKET there is a fixed window), with limit and
 * burst = capacity and duration = capacity / refillPerSec. GLOBAL works within one data center, so all regions are one.
 *
 * Parameters: `SYNC_WAIT_MS` 100, `TIMEOUT_MS` 500, `BATCH_KEYS` 1,000, the defaults of `config.go`.
 *
 * As in the source, and worth knowing:
 * - Refused requests are sent as hits too, and the owner drains its bucket to 0 when the hits it is sent are more than it has.
 * - Each copy refills at the whole rate, and an owner with nothing left forgets the hits it is sent. So n regions that ask all
 *   the time are admitted up to n times the rate.
 * - A broadcast replaces a copy, and what its peer counted meanwhile and the owner doesn't know yet is forgotten there.
 * - The next collection starts when the last send was answered, or timed out, by every peer. What timed out is lost.
 * - Reading the state for a broadcast drops a fraction of a token if less than one is left.
 * - A copy expires at the reset time of the status, which is computed with the milliseconds a token cut to whole ones: under
 *   1 ms a token (1,000 tokens a second), or with a full bucket, at once. An expired copy is a full bucket.
 *
 * Bytes: as stated at the constants; framing of gRPC and below is left out.
 *
 * Left out: the hash ring (the owner is FNV-1a of the key modulo the regions), the eviction of copies at 50,000 keys, that
 * requests block when 1,000 hits wait during a send, and failing at once instead of by time-out when a link is cut.
 */
export const gubernatorGlobal: Rule = {
  name: 'gubernator GLOBAL',
  start(world) {
    const settings: Settings = {
      limit: world.capacity,
      durationMs: Math.round((world.capacity / world.refillPerSec) * 1_000),
    }
    const peers = new Map<string, Peer>()
    for (const region of world.regions) peers.set(region, startPeer({ world, settings, peers, region }))

    return {
      take(region, key, decide) {
        const peer = peers.get(region)!
        const createdAtMs = Math.floor(world.nowMs)
        const { over } = leakyBucket(peer.items, key, settings, {
          hits: 1,
          createdAtMs,
          nowMs: createdAtMs,
          drain: false,
        })
        const outbox = ownerOf(key, world) === region ? peer.changed : peer.hits
        outbox.add(key, { hits: 1, createdAtMs })
        decide(!over)
      },
    }
  },
}

interface Peer {
  readonly items: Map<string, Item>
  /** Hits of keys that others own. */
  readonly hits: Outbox
  /** Keys of its own that were asked for since the last broadcast. */
  readonly changed: Outbox
}

interface PeerContext {
  readonly world: World
  readonly settings: Settings
  readonly peers: ReadonlyMap<string, Peer>
  readonly region: string
}

function startPeer(context: PeerContext): Peer {
  const { world } = context
  return {
    items: new Map(),
    hits: startOutbox(world, {
      join: (known, added) => ({ hits: known.hits + added.hits, createdAtMs: known.createdAtMs }),
      send: (batch, done) => sendHits(context, batch, done),
    }),
    changed: startOutbox(world, {
      join: (_, added) => added,
      send: (batch, done) => broadcast(context, batch, done),
    }),
  }
}

/** `sendHits`, and `GetPeerRateLimits` at the owners */
function sendHits({ world, settings, peers, region }: PeerContext, batch: Batch, done: () => void): void {
  const batches = new Map<string, [key: string, hits: Hits][]>()
  for (const entry of batch) {
    const owner = ownerOf(entry[0], world)
    if (!batches.has(owner)) batches.set(owner, [])
    batches.get(owner)!.push(entry)
  }
  const calls = [...batches].map(([to, entries]): Call => {
    const owner = peers.get(to)!
    return {
      to,
      bytes: bytesOf(
        entries.map(([key]) => key),
        HITS_BYTES,
      ),
      replyBytes: entries.length * STATUS_BYTES,
      run: () => {
        for (const [key, hits] of entries) {
          const nowMs = Math.floor(world.nowMs)
          leakyBucket(owner.items, key, settings, { ...hits, nowMs, drain: true })
          owner.changed.add(key, hits)
        }
      },
    }
  })
  callAll(world, region, calls, done)
}

/** `broadcastPeers`, and `UpdatePeerGlobals` at the others */
function broadcast({ world, settings, peers, region }: PeerContext, batch: Batch, done: () => void): void {
  const { items } = peers.get(region)!
  const nowMs = Math.floor(world.nowMs)
  const statuses = [...batch].map(([key, { createdAtMs }]): [string, Status] => [
    key,
    leakyBucket(items, key, settings, { hits: 0, createdAtMs, nowMs, drain: false }),
  ])
  const calls = world.regions
    .filter((to) => to !== region)
    .map((to): Call => ({
      to,
      bytes: bytesOf([...batch.keys()], UPDATE_BYTES),
      replyBytes: 0,
      run: () => {
        const updatedAtMs = Math.floor(world.nowMs)
        for (const [key, { remaining, resetAtMs }] of statuses)
          peers.get(to)!.items.set(key, { remaining, updatedAtMs, expireAtMs: resetAtMs })
      },
    }))
  callAll(world, region, calls, done)
}

function bytesOf(keys: readonly string[], bytesEach: number): number {
  return keys.reduce((sum, key) => sum + key.length + bytesEach, 0)
}

interface Call {
  readonly to: string
  readonly bytes: number
  readonly replyBytes: number
  readonly run: () => void
}

/** Makes all calls at once; done when each was answered or timed out. */
function callAll(world: World, from: string, calls: readonly Call[], done: () => void): void {
  let open = calls.length
  if (open === 0) done()
  for (const { to, bytes, replyBytes, run } of calls) {
    let closed = false
    const close = (): void => {
      if (closed) return
      closed = true
      open -= 1
      if (open === 0) done()
    }
    world.send({ from, to, bytes }, () => {
      run()
      world.send({ from: to, to: from, bytes: replyBytes }, close)
    })
    world.after(TIMEOUT_MS, close)
  }
}

type Batch = ReadonlyMap<string, Hits>

interface Outbox {
  add(key: string, hits: Hits): void
}

interface OutboxActions {
  /** Two additions of one key in one batch. */
  readonly join: (known: Hits, added: Hits) => Hits
  readonly send: (batch: Batch, done: () => void) => void
}

/** `runAsyncHits` and `runBroadcasts`: collects from the first addition on, then sends; without additions it does nothing. */
function startOutbox(world: World, { join, send }: OutboxActions): Outbox {
  let batch = new Map<string, Hits>()
  let waiting = false
  let sending = false

  function flush(): void {
    if (batch.size === 0 || sending) return
    const sent = batch
    batch = new Map()
    sending = true
    send(sent, () => {
      sending = false
      schedule()
    })
  }
  function schedule(): void {
    if (sending || batch.size === 0) return
    if (batch.size >= BATCH_KEYS) flush()
    else if (!waiting) {
      waiting = true
      world.after(SYNC_WAIT_MS, () => {
        waiting = false
        flush()
      })
    }
  }
  return {
    add(key, hits) {
      const known = batch.get(key)
      batch.set(key, known === undefined ? hits : join(known, hits))
      schedule()
    },
  }
}

interface Settings {
  readonly limit: number
  readonly durationMs: number
}

interface Request extends Hits {
  readonly nowMs: number
  /** More hits than remain take all that remains (`DRAIN_OVER_LIMIT`). */
  readonly drain: boolean
}

/** `leakyBucket` and `initLeakyBucketItem` with burst = limit. Whole tokens decide, fractions are kept for later. */
function leakyBucket(
  items: Map<string, Item>,
  key: string,
  { limit, durationMs }: Settings,
  { hits, createdAtMs, nowMs, drain }: Request,
): Status {
  const msPerToken = durationMs / limit
  const item = items.get(key)
  const status = (over: boolean, remaining: number): Status => ({
    over,
    remaining: Math.trunc(remaining),
    resetAtMs: createdAtMs + (limit - Math.trunc(remaining)) * Math.trunc(msPerToken),
  })
  if (item === undefined || item.expireAtMs < nowMs) {
    const remaining = Math.max(0, limit - hits)
    items.set(key, { remaining, updatedAtMs: createdAtMs, expireAtMs: createdAtMs + durationMs })
    return status(hits > limit, remaining)
  }

  if (hits !== 0) item.expireAtMs = createdAtMs + durationMs
  const leak = (createdAtMs - item.updatedAtMs) / msPerToken
  if (leak >= 1) {
    item.remaining += leak
    item.updatedAtMs = createdAtMs
  }
  if (Math.trunc(item.remaining) > limit) item.remaining = limit

  const whole = Math.trunc(item.remaining)
  if (whole === 0 && hits > 0) return status(true, item.remaining)
  if (whole === hits) {
    item.remaining = 0
    return status(false, 0)
  }
  if (hits > whole) {
    if (drain) item.remaining = 0
    return status(true, item.remaining)
  }
  item.remaining -= hits
  return status(false, item.remaining)
}

/** FNV-1a of the key, modulo the regions. */
function ownerOf(key: string, world: World): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193)
  return world.regions[(hash >>> 0) % world.regions.length]!
}

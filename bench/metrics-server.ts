import { createApp } from '../src/http/app.ts'
import { trustEverybody } from '../src/http/auth/authenticator.ts'
import { startServer } from '../src/http/server.ts'
import type { RatingsApi } from '../src/ratings/types.ts'
import { figuresOf, newLimiter } from './metrics-limiter.ts'
import { Metrics } from '../src/metrics/metrics.ts'

/**
 * The HTTP API of a limiter in a process of its own, whose metrics are on and off in turns, a tenth of a second each: under one load
 * and with the same compiled code. Answers any message with the CPU time a request, in microseconds, of each pair of turns.
 */
const turnMs = 100
const { limiter, clock } = newLimiter()
const metrics = new Metrics('us-east-1', () => figuresOf(limiter))
let isOn = false
let requests = 0

// Takes don't touch it.
const ratings = {} as RatingsApi
const app = createApp({
  limiter,
  ratings,
  ratingsLimit: () => undefined,
  authenticate: trustEverybody,
  authenticated: false,
  bodyBytesMax: 65_536,
  addressOf: () => '',
  overTls: false,
  audit: () => {},
  nowMs: () => performance.now(),
  ready: () => ({ ready: true, checks: {} }),
  metrics: () => metrics.scrape(),
  observe: (request) => {
    requests++
    if (isOn) metrics.observeRequest(request)
  },
  onError: (error) => console.error(error),
})
setInterval(() => clock.refresh(), 5)
setInterval(() => limiter.tick(), 50)
const { url } = await startServer({
  app,
  host: '127.0.0.1',
  port: 0,
  requestTimeoutMs: 15_000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 5000,
  maxConnections: 1000,
  tls: null,
})
let before = cpuMicros()
const turns: { on: number; off: number }[] = []
let off = Number.NaN
setInterval(() => {
  const now = cpuMicros()
  // NaN without requests.
  const each = (now - before) / requests
  if (isOn) turns.push({ on: each, off })
  else off = each
  isOn = !isOn
  requests = 0
  before = cpuMicros()
}, turnMs)
process.on('message', () => process.send!(turns.splice(0)))
process.on('disconnect', () => process.exit(0))
process.send!(url)

function cpuMicros(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

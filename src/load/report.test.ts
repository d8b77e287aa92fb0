import { expect, test } from 'vitest'
import { Meter } from './meter.ts'
import { parseLoadOptions } from './options.ts'
import { htmlReport } from './report-html.ts'
import { progressLine, textReport } from './report-text.ts'
import type { LoadResult } from './run.ts'
import { missedThresholds, type Thresholds } from './thresholds.ts'

/** 100 operations a second for 4 s in `us`, answered in 10 to 49 ms, some refused; in a region with an odd name only failures. */
function resultWith(thresholds: Thresholds): LoadResult {
  const us = new Meter({ region: 'us', url: 'http://127.0.0.1:1', rampMs: 0 })
  const odd = new Meter({ region: '<b>"&', url: 'http://127.0.0.1:2', rampMs: 0 })
  for (let i = 0; i < 400; i++) {
    const dueMs = i * 10
    const tookMs = 10 + (i % 40)
    const write = { name: 'write', answer: i % 50 === 0 ? 429 : 200, tookMs: tookMs - 5 } as const
    const read = { name: 'read', answer: 200, tookMs: 5 } as const
    const steps = write.answer === 429 ? [write] : [write, read]
    us.record({ dueMs, sentMs: dueMs, endMs: dueMs + tookMs, steps })
  }
  odd.record({
    dueMs: 1,
    sentMs: 1,
    endMs: 9,
    steps: [{ name: 'write', answer: 'no connection', tookMs: 8 }],
  })
  odd.skip(2)
  for (const meter of [us, odd]) {
    meter.end(4000)
    meter.endSecondsBefore(4000)
  }
  const options = parseLoadOptions(
    {
      target: ['us=http://127.0.0.1:1'],
      workload: 'rate-and-read',
      limit: 'ratings',
      rate: '100',
      arrivals: 'even',
      ramp: '0s',
      duration: '4s',
      timeout: '10s',
      connections: '64',
      users: '10',
      userSkew: '1',
      subjects: '10',
      subjectSkew: '1',
      seed: '1',
    },
    { hasKey: false },
  )
  const regions = [us.result(), odd.result()]
  return {
    startedAt: '2026-01-02T03:04:05.000Z',
    endedEarly: false,
    options: { ...options, thresholds },
    regions,
    generatorCores: 0.9,
    missed: missedThresholds(regions, thresholds),
  }
}

test('the table is that of the guide, with errors', () => {
  const report = textReport(resultWith({}))
  expect(report).toContain(
    '| Region | Throughput (req/s) | p50 (ms) | p95 (ms) | p99 (ms) | Token exhaustion % | Errors % |',
  )
  expect(report).toMatch(/\| us +\| +100 \| +29\.\d \| +47\.\d \| +49\.\d \| +2\.0 \| +0\.00 \|/)
  expect(report).toMatch(/\| <b>"& +\| +0 \| +– \| +– \| +– \| +0\.0 \| +100\.00 \|/)
  expect(report).toMatch(/\| us +\| +read \| +5\.0 \|/)
  expect(report).toContain('<b>"&: no connection: 1')
  expect(report).toContain('1 of 2 operations due were not sent')
  expect(report).toContain('the figures say more about it than about the edges')
  expect(report).not.toContain('Missed')
})

test('thresholds hold for each region, and failed and not sent operations are errors', () => {
  const { regions } = resultWith({})
  expect(missedThresholds(regions, {})).toEqual([])
  expect(missedThresholds(regions.slice(0, 1), { p95MsMax: 50, errorsPercentMax: 0 })).toEqual([])
  expect(missedThresholds(regions, { p95MsMax: 40, errorsPercentMax: 99.9 })).toEqual([
    expect.stringMatching(/^us: p95 4\d\.\d ms; --max-p95 allows 40 ms$/),
    '<b>"&: nothing was answered, so there is no p95',
    '<b>"&: 100.00 % errors; --max-errors allows 99.9 %',
  ])
})

test('the page has three plots, needs nothing from elsewhere, and escapes names', () => {
  const page = htmlReport(resultWith({ p95MsMax: 40 }))
  expect(page.match(/<svg /g)).toHaveLength(3)
  expect(page).not.toMatch(/<script|<link|<img|@import|url\(/)
  expect(page).not.toContain('<b>')
  expect(page).toContain('&lt;b>&quot;&amp;')
  expect(page).toContain('--max-p95 allows 40 ms')
  expect(page).not.toMatch(/NaN|Infinity|undefined/)
})

test('progress is one line no longer than the terminal', () => {
  const { regions } = resultWith({})
  const progress = {
    elapsedMs: 4000,
    regions: regions.map(({ region, seconds }) => ({ region, inFlight: 3, lastSecond: seconds.at(-1) })),
  }
  expect(progressLine(progress, 30_000, 200)).toMatch(/^4\/30 s │ us \d+\/s p95 \d+\.\d ms, 3 under way/)
  expect(progressLine(progress, 30_000, 40)).toHaveLength(39)
})

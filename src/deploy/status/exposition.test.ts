import { Counter, Histogram, Registry } from 'prom-client'
import { expect, test } from 'vitest'
import { parseExposition } from './exposition.ts'

test('what prom-client writes is read back, labels with any characters too', async () => {
  const registry = new Registry()
  const registers = [registry]
  const odd = 'a "quoted", {back\\slash}\nof two lines'
  const counter = new Counter({ name: 'hits_total', help: 'Hits.', labelNames: ['who', 'code'], registers })
  counter.inc({ who: odd, code: '200' }, 3)
  counter.inc({ who: 'bob', code: '429' }, 0.5)
  new Histogram({ name: 'seconds', help: 'Time.', buckets: [0.1], registers }).observe(0.2)

  const samples = parseExposition(await registry.metrics())
  expect(samples.get('hits_total')).toEqual([
    { labels: { who: odd, code: '200' }, value: 3 },
    { labels: { who: 'bob', code: '429' }, value: 0.5 },
  ])
  expect(samples.get('seconds_bucket')).toEqual([
    { labels: { le: '0.1' }, value: 0 },
    { labels: { le: '+Inf' }, value: 1 },
  ])
  expect(samples.get('seconds_sum')).toEqual([{ labels: {}, value: 0.2 }])
})

test('infinite values and time stamps are read, comments and damaged lines passed over', () => {
  const text = '# HELP a An a.\na +Inf 1700000000000\nb{x="y"} NaN\nc{ 1\n\nd'
  expect([...parseExposition(text)]).toEqual([
    ['a', [{ labels: {}, value: Infinity }]],
    ['b', [{ labels: { x: 'y' }, value: NaN }]],
  ])
})

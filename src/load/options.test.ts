import { expect, test } from 'vitest'
import { OptionsError, parseLoadOptions, type RawLoadOptions } from './options.ts'

const raw: RawLoadOptions = {
  target: ['us-east-1=http://127.0.0.1:8081', 'eu-central-1=https://eu.example.org'],
  workload: 'rate-and-read',
  limit: 'ratings',
  rate: '250.5',
  arrivals: 'even',
  ramp: '0s',
  duration: '1.5m',
  timeout: '2s',
  connections: '64',
  users: '1000',
  userSkew: '0.99',
  subjects: '100',
  subjectSkew: '0',
  seed: '7',
}

const problemsOf = (change: Partial<RawLoadOptions>, hasKey = false): string[] => {
  try {
    parseLoadOptions({ ...raw, ...change }, { hasKey })
    return []
  } catch (error) {
    expect(error).toBeInstanceOf(OptionsError)
    return (error as OptionsError).message.split('\n')
  }
}

test('texts become numbers and milliseconds', () => {
  expect(parseLoadOptions({ ...raw, maxP95: '25ms', maxErrors: '0.5%' }, { hasKey: true })).toEqual({
    targets: [
      { region: 'us-east-1', url: 'http://127.0.0.1:8081' },
      { region: 'eu-central-1', url: 'https://eu.example.org' },
    ],
    workload: 'rate-and-read',
    limit: 'ratings',
    ratePerSec: 250.5,
    arrivals: 'even',
    rampMs: 0,
    durationMs: 90_000,
    timeoutMs: 2000,
    connections: 64,
    users: 1000,
    userSkew: 0.99,
    subjects: 100,
    subjectSkew: 0,
    seed: 7,
    thresholds: { p95MsMax: 25, errorsPercentMax: 0.5 },
  })
})

test('everything that is wrong is said at once, with what is allowed', () => {
  const problems = problemsOf({
    target: ['nowhere', 'us=ftp://x', 'us=http://a:b@x', 'us=http://x/path'],
    workload: 'write',
    rate: '-5',
    arrivals: 'random',
    duration: '10',
    connections: '0',
    users: '1e6',
    userSkew: '11',
    maxP95: '25',
    maxErrors: '1',
  })
  expect(problems).toHaveLength(13)
  expect(problems).toContain('--rate -5 is not allowed; allowed: a number from 0.01 to 1000000')
  expect(problems).toContain('--workload write is not allowed; allowed: rate-and-read, take')
  expect(problems).toContain('--max-errors 1 is not allowed; allowed: from 0% to 100%')
})

test('a region is named once', () => {
  expect(problemsOf({ target: ['us=http://127.0.0.1:1', 'us=http://127.0.0.1:2'] })).toEqual([
    '--target us: named twice; allowed: each name once',
  ])
})

test.each([
  ['http://edge.example.org', 1],
  ['https://edge.example.org', 0],
  ['http://localhost:8081', 0],
  ['http://[::1]:8081', 0],
  ['http://127.0.0.1.example.org', 1],
])('an API key to %s: %i problems', (url, count) => {
  expect(problemsOf({ target: [`us=${url}`] }, true)).toHaveLength(count)
  expect(problemsOf({ target: [`us=${url}`] }, false)).toHaveLength(0)
})

import { expect, test } from 'vitest'
import { createLogger } from './logger.ts'

function logged(write: (logger: ReturnType<typeof createLogger>) => void): Record<string, unknown> {
  let text = ''
  write(createLogger({ level: 'debug', region: 'us' }, { write: (line) => (text += line) }))
  return JSON.parse(text) as Record<string, unknown>
}

test('a line is JSON with the region, and the time as ISO 8601', () => {
  const line = logged((logger) => logger.info({ requestId: 'r1' }, 'request'))
  expect(line).toMatchObject({ region: 'us', requestId: 'r1', msg: 'request' })
  expect(line['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
})

test('secrets and users are redacted, however they get there', () => {
  const line = logged((logger) =>
    logger.info({ user: 'alice', request: { key: 'alice', headers: { authorization: 'Bearer s3cret' } } }),
  )
  expect(JSON.stringify(line)).not.toMatch(/alice|s3cret/)
})

test('an error tells its kind, code, message, frames and causes, and nothing else that it carries', () => {
  const cause = Object.assign(new Error('connect to postgres://rating:s3cret@db/rating'), {
    code: 'ECONNREFUSED',
    detail: 'Key (subject, rater)=(tea, alice)',
    parameters: ['alice'],
  })
  const line = logged((logger) => logger.error({ err: new TypeError('no store', { cause }) }, 'failed'))
  expect(line['err']).toMatchObject({
    type: 'TypeError',
    message: 'no store',
    stack: expect.stringMatching(/^\s+at /) as string,
    cause: { code: 'ECONNREFUSED', message: 'connect to postgres://[redacted]@db/rating' },
  })
  expect(JSON.stringify(line)).not.toMatch(/alice|s3cret/)
})

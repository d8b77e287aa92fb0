import { expect, test } from 'vitest'
import { changeEnvironment, EnvironmentError } from './environment.ts'

test('variables are set, kept from before, and unset', () => {
  const after = changeEnvironment({ A: '1', B: '2' }, { set: ['C=x=y', 'D='], unset: ['A'] }, {})
  expect(after).toEqual({ B: '2', C: 'x=y', D: '' })
})

test('a name alone takes its value from who calls', () => {
  expect(changeEnvironment({}, { set: ['SECRET'], unset: [] }, { SECRET: 'pwd' })).toEqual({ SECRET: 'pwd' })
})

test('all that is wrong is said at once, and no value is shown', () => {
  const change = (): unknown =>
    changeEnvironment(
      {},
      { set: ['1A=hunter2', 'postgres://u:hunter2@db', 'MISSING', 'OPENCLAW_HTTP_PORT=1'], unset: ['GONE'] },
      {},
    )
  expect(change).toThrow(EnvironmentError)
  expect(change).toThrow(/^--unset-env GONE: [^]*--env MISSING: [^]*--env OPENCLAW_HTTP_PORT: /)
  expect(change).not.toThrow(/hunter2/)
})

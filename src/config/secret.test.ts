import { format, inspect } from 'node:util'
import { expect, test } from 'vitest'
import { Secret } from './secret.ts'

test('a secret shows itself to nobody who does not ask for it', () => {
  const secret = new Secret('hunter2')
  const dumps = [
    JSON.stringify({ secret }),
    inspect({ secret }, { showHidden: true }),
    format('%s %j', secret, secret),
  ]
  expect(dumps.join() + String(secret)).not.toContain('hunter2')
  expect(secret.reveal()).toBe('hunter2')
})

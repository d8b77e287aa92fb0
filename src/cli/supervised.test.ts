import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'

const supervised = new URL('./supervised.ts', import.meta.url).href

test('an edge whose supervisor was killed while it started stops', async () => {
  const script = `
    import { untilSupervisorStops } from ${JSON.stringify(supervised)}
    process.once('disconnect', async () => {
      await untilSupervisorStops({ url: 'http://127.0.0.1:1', take: () => {} })
      console.log('stopped')
    })
    process.send('started')`
  const edge = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  edge.once('message', () => edge.disconnect())
  expect(await text(edge.stdout!)).toBe('stopped\n')
})

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../../test/support/free-port.ts'
import { Front } from './front.ts'

let front: Front
let port: number
const callers: Socket[] = []

beforeEach(async () => {
  port = await freePort()
  front = await Front.listen({ host: '127.0.0.1', port })
})

afterEach(() => {
  front.close()
  for (const caller of callers.splice(0)) caller.destroy()
})

async function call(): Promise<Socket> {
  const caller = connect(port, '127.0.0.1').on('error', () => {})
  callers.push(caller)
  await once(caller, 'connect')
  return caller
}

/** Answers each connection with its name. */
const taker = (name: string) => ({
  take: (socket: Socket): Promise<boolean> => {
    socket.end(name)
    return Promise.resolve(true)
  },
})

const answerTo = async (caller: Socket): Promise<string> => {
  const [text] = (await once(caller, 'data')) as [Buffer]
  return text.toString()
}

test('a connection that comes while nobody serves waits for who does', async () => {
  const caller = await call()
  const answer = answerTo(caller)
  front.serveBy(taker('first'))
  expect(await answer).toBe('first')
})

test('from a change on new connections go to who serves now', async () => {
  front.serveBy(taker('first'))
  expect(await answerTo(await call())).toBe('first')
  front.serveBy(taker('second'))
  expect(await answerTo(await call())).toBe('second')
})

test('a connection that could not be handed over goes to the next who serves', async () => {
  const gone = Promise.withResolvers<boolean>()
  const asked = Promise.withResolvers<void>()
  front.serveBy({
    take: () => {
      asked.resolve()
      return gone.promise
    },
  })
  const answer = answerTo(await call())
  await asked.promise
  front.serveBy(taker('next'))
  gone.resolve(false)
  expect(await answer).toBe('next')
})

test('when it is closed, who waits is let go', async () => {
  const caller = await call()
  const closed = once(caller, 'close')
  caller.resume()
  front.close()
  await closed
  expect(caller.destroyed).toBe(true)
})

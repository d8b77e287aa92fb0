import { mkdtemp, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EdgeProcess } from './edge-process.ts'
import { freePort } from '../../../test/support/free-port.ts'
import { Front } from './front.ts'

/** Processes that speak with the supervisor as an edge does; the first kind dies of every connection before it has it. */
const dying = `process.on('message', () => process.kill(process.pid, 'SIGKILL'))`
const living = `process.on('message', (message, socket) => {
  if (message.type === 'stop') return process.disconnect()
  process.send({ type: 'taken', id: message.id })
  socket.end('living')
})`

let directory: string
let front: Front
let port: number
const processes: EdgeProcess[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openclaw-edge-process-'))
  port = await freePort()
  front = await Front.listen({ host: '127.0.0.1', port })
})

afterEach(async () => {
  front.close()
  await Promise.all(processes.splice(0).map((one) => one.stop()))
})

async function start(script: string): Promise<EdgeProcess> {
  const file = join(directory, `${processes.length}.cjs`)
  await writeFile(file, script)
  const edge = new EdgeProcess([process.execPath, file], {
    region: 'us',
    ordinal: processes.length,
    configFile: 'none',
    env: {},
    heapMiB: 64,
    logFile: join(directory, 'us.log'),
    readyTimeoutMs: 1000,
    stopTimeoutMs: 1000,
  })
  processes.push(edge)
  return edge
}

/** All that a caller reads. */
async function call(): Promise<string> {
  const caller: Socket = connect(port, '127.0.0.1')
  let text = ''
  for await (const chunk of caller) text += String(chunk)
  return text
}

test('connections on the way to a process that is killed go to the next', async () => {
  const dead = await start(dying)
  const crashed = new Promise<void>((resolve) => {
    dead.onCrash(resolve)
  })
  front.serveBy(dead)
  const answers = [call(), call(), call()]
  await crashed
  front.serveBy(await start(living))
  expect(await Promise.all(answers)).toEqual(['living', 'living', 'living'])
})

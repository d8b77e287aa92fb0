import { mkdtemp, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { askSupervisor, ControlError, isServed, serveControl } from './control.ts'

class OwnError extends Error {
  override readonly name = 'OwnError'
}

let socket: string
let control: { close(): Promise<void> }

beforeEach(async () => {
  socket = join(await mkdtemp(join(tmpdir(), 'openclaw-control-')), 'control.sock')
  control = await serveControl(socket, {
    handle: (command, onStep) => {
      onStep(`begins ${command}`)
      if (command === 'fail') throw new OwnError('it failed')
      return Promise.resolve(command === 'nothing' ? undefined : { said: command })
    },
  })
})

afterEach(() => control.close())

test('a command is answered, after what is told meanwhile', async () => {
  const steps: string[] = []
  expect(await askSupervisor(socket, 'roll 1 2', (step) => steps.push(step))).toEqual({ said: 'roll 1 2' })
  expect(steps).toEqual(['begins roll 1 2'])
})

test('a command without an answer is done all the same', async () => {
  expect(await askSupervisor(socket, 'nothing', () => {})).toBeNull()
})

test('an error comes over with its kind', async () => {
  const error = await askSupervisor(socket, 'fail', () => {}).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(ControlError)
  expect(error).toMatchObject({ message: 'it failed', kind: 'OwnError' })
})

test('only its owner may use the socket, and only one process serves it', async () => {
  expect((await stat(socket)).mode & 0o777).toBe(0o600)
  await expect(serveControl(socket, { handle: () => Promise.resolve() })).rejects.toThrow(
    /another supervisor/,
  )
})

test('after closing nobody serves', async () => {
  expect(await isServed(socket)).toBe(true)
  await control.close()
  expect(await isServed(socket)).toBe(false)
  control = { close: () => Promise.resolve() }
})

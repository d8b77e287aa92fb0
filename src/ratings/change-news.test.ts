import { expect, test } from 'vitest'
import { ChangeNews } from './change-news.ts'
import type { Change } from './invalidation.ts'

const change = (subject: string): Change => ({ subject, user: 'alice' })

function start(): { news: ChangeNews; sent: string[][]; pass: () => void; waits: () => boolean } {
  const sent: string[][] = []
  let due: (() => void) | undefined
  const news = new ChangeNews({
    send: (changes) => sent.push(changes.map(({ subject }) => subject)),
    intervalMs: 50,
    schedule: (run, delayMs) => {
      expect(delayMs).toBe(50)
      due = run
      return () => (due = undefined)
    },
  })
  const pass = (): void => {
    const run = due
    due = undefined
    run?.()
  }
  return { news, sent, pass, waits: () => due !== undefined }
}

test('the first is told at once, what follows within an interval together, each change once', () => {
  const { news, sent, pass } = start()
  news.add([change('a')])
  expect(sent).toEqual([['a']])
  news.add([change('b'), change('c')])
  news.add([change('b')])
  expect(sent).toEqual([['a']])
  pass()
  expect(sent).toEqual([['a'], ['b', 'c']])
})

test('after an interval without news it rests, and the next is told at once', () => {
  const { news, sent, pass, waits } = start()
  news.add([change('a')])
  pass()
  expect(waits()).toBe(false)
  news.add([change('b')])
  expect(sent).toEqual([['a'], ['b']])
})

test('a message holds no more than an edge takes', () => {
  const { news, sent } = start()
  news.add(Array.from({ length: 600 }, (_, n) => change(`s${n}`)))
  expect(sent.map(({ length }) => length)).toEqual([250, 250, 100])
})

test('what is left is told at the end, and nothing after it', () => {
  const { news, sent, waits } = start()
  news.add([change('a')])
  news.add([change('b')])
  news.stop()
  expect(sent).toEqual([['a'], ['b']])
  expect(waits()).toBe(false)
})

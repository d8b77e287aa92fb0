import { beforeEach, expect, test } from 'vitest'
import { CommandError } from '../command.ts'
import { deleteStuckPods, untilRolledOut, type Kubectl } from './stateful-set.ts'

/** Lines of pods: name, revision, whether it is ready. */
let pods: string[]
/** Generation, observed generation and revision, time after time. */
let observed: string[]
let told: string[]

beforeEach(() => {
  pods = []
  observed = ['7 7 openclaw-edge-new', '7 7 openclaw-edge-new']
  told = []
})

const kubectl: Kubectl = (args) => {
  const line = args.join(' ')
  told.push(line)
  if (line.includes('.status.updateRevision')) return Promise.resolve(observed.shift() ?? '')
  return Promise.resolve(line.startsWith('get pods') ? pods.map((pod) => `${pod}\n`).join('') : '')
}

const deleted = (): string[] => told.filter((line) => line.startsWith('delete'))

test('pods of an earlier release that are not ready make room', async () => {
  pods = [
    'openclaw-edge-0 openclaw-edge-old True',
    'openclaw-edge-1 openclaw-edge-old False',
    'openclaw-edge-2 openclaw-edge-old ',
    'openclaw-edge-3 openclaw-edge-new False',
  ]
  await deleteStuckPods(kubectl)
  expect(deleted()).toEqual(['delete pod openclaw-edge-1 openclaw-edge-2 --ignore-not-found --wait=false'])
})

test('nothing is deleted before the cluster has taken notice of the new release', async () => {
  pods = ['openclaw-edge-0 openclaw-edge-old False']
  observed = ['1  ', '9 8 openclaw-edge-old', '9 10 openclaw-edge-new']
  await deleteStuckPods(kubectl, 0)
  expect(told.map((line) => line.split(' ', 2).join(' '))).toEqual([
    ...Array.from({ length: 3 }, () => 'get statefulset/openclaw-edge'),
    'get pods',
    'delete pod',
  ])
  await deleteStuckPods(kubectl, 0)
  expect(deleted()).toHaveLength(1)
})

test('pods that are ready, and new ones, are left alone', async () => {
  pods = ['openclaw-edge-0 openclaw-edge-old True', 'openclaw-edge-1 openclaw-edge-new False']
  await deleteStuckPods(kubectl)
  pods = []
  await deleteStuckPods(kubectl)
  expect(deleted()).toEqual([])
})

/** A rollout whose counts of replaced and of available pods are these, whenever somebody looks. */
function rolloutOf(counts: readonly string[], failures: number): { kubectl: Kubectl; waits: string[] } {
  const left = [...counts]
  const waits: string[] = []
  return {
    waits,
    kubectl: (args) => {
      if (args[0] === 'get') return Promise.resolve(left.shift() ?? '')
      waits.push(args.join(' '))
      if (waits.length > failures) return Promise.resolve('')
      return Promise.reject(new CommandError('timed out'))
    },
  }
}

test('each pod may take the time that one may take', async () => {
  const { kubectl: slow, waits } = rolloutOf([' 3', '1 3', '2 3'], 2)
  await untilRolledOut(slow, 95, () => {})
  expect(waits).toEqual(
    Array.from({ length: 3 }, () => 'rollout status statefulset/openclaw-edge --timeout=95s'),
  )
})

test.each([
  ['a pod that is replaced and does not become ready', [' 3', '1 3', '2 2'], 2],
  ['a cluster that does not say how far it is', [' 3', 'unknown'], 1],
])('%s ends it', async (_title, counts, rounds) => {
  const { kubectl: stuck, waits } = rolloutOf(counts, rounds)
  await expect(untilRolledOut(stuck, 95, () => {})).rejects.toThrow('timed out')
  expect(waits).toHaveLength(rounds)
})

import { beforeEach, expect, test } from 'vitest'
import { deleteStuckPods, type Kubectl } from './stateful-set.ts'

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

import { parentPort, workerData } from 'node:worker_threads'
import { run } from './run.ts'

/** A worker's part of many runs: every `stride`-th seed. Reports failures as they come, and how far it is. */
const { from, count, stride } = workerData as { from: number; count: number; stride: number }

for (let seed = from; seed < from + count; seed += stride) parentPort!.postMessage(run(seed))

import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Tests start the command line hundreds of times: with compiled sources at hand in half the processor time.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(
  new URL('./node_modules/.cache/node-compile', import.meta.url),
)

/** Those that need no machine of their own: they start little, and run beside others. */
const beside = [
  'dashboard',
  'dockerfile',
  'http-server',
  'kubernetes',
  'package',
  'quickstart',
  'tracing',
].map((name) => `test/${name}.e2e.test.ts`)

// A test's cost is in its file name. Everything is required everywhere: a missing server fails, it never skips.
export default defineConfig({
  test: {
    maxWorkers: '100%',
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'sim/**/*.test.ts', 'test/**/*.test.ts'],
          exclude: [
            '**/*.pg.test.ts',
            '**/*.e2e.test.ts',
            '**/*.sim.test.ts',
            '**/*.nats.test.ts',
            '**/*.prom.test.ts',
          ],
          // No unit test keeps state in a module, but for the one embedded database of each process.
          isolate: false,
          // On a busy machine the embedded database takes its time to start; nothing is asserted about that.
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'sim',
          include: ['sim/**/*.sim.test.ts'],
          testTimeout: 240_000,
        },
      },
      {
        test: {
          name: 'pg',
          include: ['**/*.pg.test.ts'],
          exclude: ['node_modules/**'],
          testTimeout: 60_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'nats',
          include: ['**/*.nats.test.ts'],
          exclude: ['node_modules/**'],
          testTimeout: 60_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'prom',
          include: ['**/*.prom.test.ts'],
          exclude: ['node_modules/**'],
          testTimeout: 60_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'e2e-beside',
          include: beside,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/**/*.e2e.test.ts'],
          exclude: beside,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})

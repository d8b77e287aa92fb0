import { expect, test } from 'vitest'
import { alertsFile, pathOf, recordingFile, ruleTestFiles } from './support/observability-files.ts'
import { promtool } from './support/prometheus.ts'

test('Prometheus takes the configuration', () => {
  expect(() => promtool('check', 'config', pathOf('deploy/observability/prometheus.yml'))).not.toThrow()
})

test.each([alertsFile, recordingFile])('Prometheus takes %s', (file) => {
  expect(() => promtool('check', 'rules', pathOf(file))).not.toThrow()
})

test.each(ruleTestFiles)('the rules do what %s says', (file) => {
  expect(() => promtool('test', 'rules', pathOf(file))).not.toThrow()
})

import { expect, test } from 'vitest'
import { tracingSettings, TracingSettingsError } from './tracing-settings.ts'

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }
const byRatio = { ...endpoint, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio' }

test.each([
  [{}, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, undefined],
  [{ ...endpoint, OTEL_SDK_DISABLED: 'true' }, undefined],
  [endpoint, { sampledPart: 1 }],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://collector/v1/traces' }, { sampledPart: 1 }],
  [byRatio, { sampledPart: 1 }],
  [{ ...byRatio, OTEL_TRACES_SAMPLER_ARG: '0.25' }, { sampledPart: 0.25 }],
])('%j asks for %j', (env, settings) => {
  expect(tracingSettings(env)).toEqual(settings)
})

test.each([
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, /OTEL_EXPORTER_OTLP_ENDPOINT is not allowed/],
  [{ ...endpoint, OTEL_TRACES_SAMPLER: 'xray' }, /"xray" is not allowed; allowed: parentbased_always_on/],
  [{ ...byRatio, OTEL_TRACES_SAMPLER_ARG: '2' }, /"2" is not allowed; allowed: a number from 0 to 1/],
])('%j is refused', (env, message) => {
  expect(() => tracingSettings(env)).toThrow(TracingSettingsError)
  expect(() => tracingSettings(env)).toThrow(message)
})

/** That requests are traced, and how. Where to, and with which headers, OpenTelemetry reads from the environment itself. */
export interface TracingSettings {
  /** Part of the requests that is traced, of those whose caller leaves that open: 0 to 1. */
  readonly sampledPart: number
}

/** A variable of OpenTelemetry's that can't be followed. */
export class TracingSettingsError extends Error {
  override readonly name = 'TracingSettingsError'
}

const endpointVariables = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT']
const alwaysOn = 'parentbased_always_on'
const byRatio = 'parentbased_traceidratio'

/**
 * Tracing as OpenTelemetry's environment variables ask for it; undefined while no endpoint is set, or OTEL_SDK_DISABLED is `true`.
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 * @throws {TracingSettingsError}
 */
export function tracingSettings(env: NodeJS.ProcessEnv): TracingSettings | undefined {
  if (env['OTEL_SDK_DISABLED'] === 'true' || !endpointVariables.some((name) => env[name])) return undefined
  for (const name of endpointVariables) {
    const value = env[name]
    if (value && !/^https?:$/.test(URL.parse(value)?.protocol ?? ''))
      throw new TracingSettingsError(`${name} is not allowed; allowed: an http:// or https:// URL`)
  }
  const sampler = env['OTEL_TRACES_SAMPLER'] || alwaysOn
  if (sampler === alwaysOn) return { sampledPart: 1 }
  if (sampler !== byRatio)
    throw new TracingSettingsError(
      `OTEL_TRACES_SAMPLER: ${JSON.stringify(sampler)} is not allowed; allowed: ${alwaysOn}, ${byRatio}`,
    )
  const text = env['OTEL_TRACES_SAMPLER_ARG'] || '1'
  const sampledPart = Number(text)
  if (sampledPart >= 0 && sampledPart <= 1) return { sampledPart }
  throw new TracingSettingsError(
    `OTEL_TRACES_SAMPLER_ARG: ${JSON.stringify(text)} is not allowed; allowed: a number from 0 to 1`,
  )
}

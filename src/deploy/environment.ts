/** Options that set environment variables of the edges are not valid; the message never shows a value. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError'
}

export type EdgeEnvironment = Readonly<Record<string, string>>

const namePattern = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/
const variablesMax = 100
const valueCharsMax = 32_768
/** The target decides them. */
const reserved = new Set(['OPENCLAW_HTTP_HOST', 'OPENCLAW_HTTP_PORT', 'PATH', 'NODE_OPTIONS'])

/**
 * The environment of the edges after changes to it: each `NAME=value` sets a variable, and `NAME` alone takes its value from who
 * calls, so that a secret need not stand on a command line.
 * @throws {EnvironmentError} with all that is wrong.
 */
export function changeEnvironment(
  before: EdgeEnvironment,
  changes: { readonly set: readonly string[]; readonly unset: readonly string[] },
  caller: NodeJS.ProcessEnv,
): EdgeEnvironment {
  const problems: string[] = []
  const after: Record<string, string> = { ...before }
  for (const name of changes.unset) {
    if (Object.hasOwn(after, name)) delete after[name]
    else problems.push(`--unset-env ${nameOf(name)}: no such variable is set`)
  }
  for (const text of changes.set) {
    const name = nameOf(text)
    const value = text.includes('=') ? text.slice(name.length + 1) : caller[name]
    const problem = problemOf(name, value)
    if (problem === undefined) after[name] = value ?? ''
    else problems.push(`--env ${namePattern.test(name) ? name : '[redacted]'}: ${problem}`)
  }
  if (Object.keys(after).length > variablesMax) problems.push(`more than ${variablesMax} variables are set`)
  if (problems.length > 0) throw new EnvironmentError(problems.join('\n'))
  return after
}

function nameOf(text: string): string {
  return text.split('=', 1)[0] ?? ''
}

function problemOf(name: string, value: string | undefined): string | undefined {
  if (!namePattern.test(name))
    return 'not allowed; allowed: NAME=value or NAME, where the name has up to 128 letters, digits or _'
  if (reserved.has(name)) return 'not allowed: the deployment sets it itself'
  if (value === undefined) return `no value is given, and the environment has no variable ${name}`
  if (value.length > valueCharsMax || value.includes('\0'))
    return `not allowed; allowed: up to ${valueCharsMax} characters without NUL`
  return undefined
}

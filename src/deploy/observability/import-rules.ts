import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileProblem } from '../../config/read-text.ts'
import { formatProblems, oneLine, type ConfigProblem } from '../../config/problem.ts'
import { runningPid } from './background-process.ts'
import { PrometheusApi, PrometheusError, type ActiveGroup } from './prometheus-api.ts'
import { readRulesFile, type RulesFile } from './rules-file.ts'
import { readStackNote, replaceFile, stackDirectory } from './stack-files.ts'

/** A file of rules that has problems; the message lists them, a line each. Nothing was changed. */
export class RulesFileError extends Error {
  override readonly name = 'RulesFileError'

  constructor(problems: readonly ConfigProblem[]) {
    super(`${formatProblems(problems)}\nNothing was changed.`)
  }
}

/** Nothing is there to load rules into. */
export class NoPrometheusError extends Error {
  override readonly name = 'NoPrometheusError'

  constructor() {
    super('no Prometheus runs for this project: `openclaw observability enable` starts one')
  }
}

const promtoolTimeoutMs = 30_000
const reloadTimeoutMs = 30_000
const pollMs = 100
const fileNamePattern = /^[\w-][\w.-]{0,127}\.ya?ml$/

/**
 * Loads a file of rules into the Prometheus of a project, in place of one of the same name; answers the groups once they are
 * active. If anything is wrong, all is as before.
 * @throws {RulesFileError} @throws {NoPrometheusError} @throws {PrometheusError} when it doesn't answer, or doesn't take the rules
 */
export async function importRules(projectDir: string, file: string): Promise<readonly ActiveGroup[]> {
  const name = basename(file)
  if (!fileNamePattern.test(name))
    throw new RulesFileError([
      fileProblem(file, 'its name is not allowed; allowed: letters, digits, -, _ and ., then .yaml or .yml'),
    ])
  const read = await readRulesFile(file)
  if (!read.ok) throw new RulesFileError(read.errors)
  const note = await readStackNote(projectDir)
  if (!note || (note.form === 'local' && (await prometheusPid(projectDir)) === undefined))
    throw new NoPrometheusError()
  const prometheus = new PrometheusApi(note.prometheusUrl)
  const problems = await judge(read.rules, file, prometheus)
  if (problems.length > 0) throw new RulesFileError(problems)
  const target = join(stackDirectory(projectDir), 'alerts', name.replace(/\.yml$/, '.yaml'))
  const before = await readFile(target, 'utf8').catch(() => undefined)
  await replaceFile(target, read.rules.text)
  try {
    return await reload(projectDir, prometheus, { target, rules: read.rules })
  } catch (error) {
    await (before === undefined ? rm(target) : replaceFile(target, before))
    await hangUp(projectDir)
    throw error
  }
}

/** Each expression by the Prometheus that will run it; and the whole, templates included, by promtool where it is installed. */
async function judge(rules: RulesFile, file: string, prometheus: PrometheusApi): Promise<ConfigProblem[]> {
  const problems: ConfigProblem[] = []
  for (const rule of rules.groups.flatMap((group) => group.rules)) {
    const problem = await prometheus.checkExpression(rule.expression)
    if (problem) problems.push(rules.explain(rule, problem))
  }
  return problems.length > 0 ? problems : promtool(rules, file)
}

function promtool(rules: RulesFile, file: string): Promise<ConfigProblem[]> {
  return new Promise((resolve) => {
    execFile(
      'promtool',
      ['check', 'rules', file],
      { timeout: promtoolTimeoutMs },
      (error, _stdout, stderr) => {
        if (!error || error.code === 'ENOENT') return resolve([])
        const lines = stderr.split('\n').filter((line) => line.startsWith(`${file}: `))
        const problems = lines.map((line) => placed(rules, line.slice(file.length + 2)))
        resolve(
          problems.length > 0 ? problems : [fileProblem(file, `promtool refuses it: ${oneLine(stderr)}`)],
        )
      },
    )
  })
}

/** What promtool says, such as `group "a", rule 1, "Down": annotation "summary": …`, with its place. */
function placed(rules: RulesFile, line: string): ConfigProblem {
  const [, group, rule, part, name, message] =
    /^group "(.*?)", rule (\d+), ".*?": (?:(annotation|label) "(\w+)": )?(.*)$/.exec(line) ?? []
  const at = rules.groups.findIndex((each) => each.name === group)
  if (at < 0) return rules.problemAt([], line)
  const path = ['groups', at, 'rules', Number(rule) - 1, ...(part && name ? [`${part}s`, name] : [])]
  return rules.problemAt(path, message ?? line)
}

/** Makes Prometheus read its rules again; answers those of the file when they are active. */
async function reload(
  projectDir: string,
  prometheus: PrometheusApi,
  { target, rules }: { target: string; rules: RulesFile },
): Promise<readonly ActiveGroup[]> {
  const before = await prometheus.lastReload()
  await hangUp(projectDir)
  const deadlineMs = performance.now() + reloadTimeoutMs
  for (;;) {
    const { successful, succeededAtSeconds } = await prometheus.lastReload()
    if (!successful && before.successful)
      throw new PrometheusError('Prometheus did not take the rules; its log says why')
    if (succeededAtSeconds !== before.succeededAtSeconds) {
      const groups = (await prometheus.rules()).filter((group) => basename(group.file) === basename(target))
      if (groups.length === rules.groups.length) return groups
    }
    if (performance.now() > deadlineMs)
      throw new PrometheusError(`Prometheus has not loaded the rules within ${reloadTimeoutMs / 1000} s`)
    await setTimeout(pollMs)
  }
}

/** SIGHUP, on which Prometheus reads its files again. One in a container notices by itself that they changed. */
async function hangUp(projectDir: string): Promise<void> {
  const pid = await prometheusPid(projectDir)
  if (pid !== undefined) process.kill(pid, 'SIGHUP')
}

function prometheusPid(projectDir: string): Promise<number | undefined> {
  return runningPid({ name: 'prometheus', directory: stackDirectory(projectDir) })
}

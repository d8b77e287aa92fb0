import { Option, type Command } from 'commander'
import { importAlerts } from './alerts.ts'
import { disableObservability, enableObservability } from './observability.ts'
import { status } from './status.ts'
import { wholeNumber } from './whole-number.ts'

const credentialsFile = '--credentials-file <file>'
const credentialsHelp = 'holds an API key or JWT with the scope read, for edges that ask for one'

/** The commands by which running edges are watched. */
export function addOperatingCommands(program: Command): void {
  program
    .command('status')
    .description('show how the edges of this project do')
    .option('-w, --watch', 'show it anew until Ctrl-C', false)
    .option('--json', 'as JSON, a line each time', false)
    .addOption(
      new Option('--interval <ms>', 'time over which rates are taken')
        .argParser(wholeNumber('--interval', 100, 3_600_000))
        .default(1000),
    )
    .option(credentialsFile, credentialsHelp)
    .addHelpText(
      'after',
      exitCodes({ 1: 'an edge does not answer, is not ready, or is out of contact with another' }),
    )
    .action(status)

  const observability = program
    .command('observability')
    .description('run Prometheus and Alertmanager for this project')
  addEnable(observability)
  observability
    .command('disable')
    .description('stop what `enable` started; its data and imported alerts stay')
    .action(disableObservability)

  program
    .command('alerts')
    .description('alerting rules of this project')
    .command('import')
    .description("load a file of rules into the project's Prometheus, in place of one of the same name")
    .argument('<file>', 'alerting and recording rules, in YAML')
    .option('--json', 'print the active rules as JSON', false)
    .addHelpText(
      'after',
      exitCodes({
        1: 'Prometheus does not run, or did not take the rules',
        2: 'the file is not valid; nothing was changed',
      }),
    )
    .action(importAlerts)
}

function addEnable(observability: Command): void {
  observability
    .command('enable')
    .description('start Prometheus and Alertmanager for the edges of this project, on loopback')
    .addOption(new Option('--stack <name>', 'what to run').choices(['openclaw']).default('openclaw'))
    .addOption(
      new Option(
        '--form <form>',
        'local: the installed programs; compose, kubernetes: files for these, with Grafana (default: local where both are installed, else compose)',
      ).choices(['local', 'compose', 'kubernetes']),
    )
    .addOption(port('prometheus', 9090))
    .addOption(port('alertmanager', 9093))
    .addOption(new Option('--webhook <url>', 'where Alertmanager sends alerts').conflicts('webhookFile'))
    .option('--webhook-file <file>', 'holds that URL, if it is secret')
    .option('--alertmanager-config <file>', 'a configuration of Alertmanager in place of ours')
    .option('--scrape-interval <duration>', 'how often edges are scraped and rules evaluated, such as 5s')
    .option(credentialsFile, credentialsHelp)
    .option('--json', 'print the addresses as JSON', false)
    .addHelpText('after', exitCodes({ 1: 'it could not be started' }))
    .action(enableObservability)
}

function port(program: string, usual: number): Option {
  const name = `--${program}-port`
  return new Option(
    `${name} <port>`,
    `0: any free one (default: ${usual}, or any free one if that is in use)`,
  ).argParser(wholeNumber(name, 0, 65_535))
}

function exitCodes(codes: Readonly<Record<number, string>>): string {
  const lines = Object.entries(codes).map(([code, meaning]) => `  ${code}  ${meaning}`)
  return `\nExit codes:\n  0  all is well\n${lines.join('\n')}`
}

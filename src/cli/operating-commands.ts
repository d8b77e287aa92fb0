import { Option, type Command } from 'commander'
import { duration } from './durations.ts'
import { wholeNumber } from './numbers.ts'

const hourMs = 3_600_000

/** The commands by which running edges are watched. */
export function addOperatingCommands(program: Command): void {
  program
    .command('status')
    .description('show how the edges of this project do')
    .option('-w, --watch', 'show it anew until Ctrl-C', false)
    .option('--json', 'as JSON, a line each time', false)
    .addOption(
      new Option('--interval <duration>', 'time over which rates are taken')
        .argParser(duration('--interval', 100, hourMs))
        .default(1000, '1s'),
    )
    .addHelpText(
      'after',
      exitCodes({
        1: 'an edge does not answer, is not ready, or is out of contact with another',
        3: 'no edge of this project runs',
      }) + '\n\nAn API key with the scope read is taken from the environment variable OPENCLAW_API_KEY.',
    )
    .action(async (options) => (await import('./status.ts')).status(options))

  const observability = program
    .command('observability')
    .description('run Prometheus and Alertmanager for this project')
  addEnable(observability)
  observability
    .command('disable')
    .description('stop what `enable` started; its data and imported alerts stay')
    .action(async () => (await import('./observability.ts')).disableObservability())

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
        1: 'Prometheus did not take the rules; nothing was changed',
        2: 'the file is not valid; nothing was changed',
        3: 'no Prometheus runs for this project',
      }),
    )
    .action(async (file, options) => (await import('./alerts.ts')).importAlerts(file, options))
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
    .addOption(
      new Option(
        '--scrape-interval <duration>',
        'how often edges are scraped and rules evaluated (default: 5s)',
      ).argParser(duration('--scrape-interval', 1000, hourMs)),
    )
    .option(
      '--credentials-file <file>',
      'holds an API key or JWT with the scope read, for edges that ask for one',
    )
    .option('--json', 'print the addresses as JSON', false)
    .addHelpText('after', exitCodes({ 1: 'it could not be started' }))
    .action(async (options) => (await import('./observability.ts')).enableObservability(options))
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

import { Option, type Command } from 'commander'
import { wholeNumber } from './numbers.ts'

const jsonOption = (): Option => new Option('--json', 'answer in JSON')
const dryRunOption = (): Option => new Option('--dry-run', 'say what would be done, and do nothing')
const readyTimeoutOption = (): Option =>
  new Option('--ready-timeout <seconds>', 'how long a node may take to become ready')
    .argParser(wholeNumber('--ready-timeout', 1, 3600))
    .default(60)

/** The commands of a project: from `init` to `destroy`. */
export function addProjectCommands(program: Command): void {
  program
    .command('init')
    .description('make a new project')
    .argument('<directory>', 'new, or empty')
    .requiredOption('--template <template>', 'rating-api-edge')
    .addOption(
      new Option('--target <target>', 'where its edges will run')
        .choices(['local', 'compose', 'kubernetes'])
        .default('local'),
    )
    .addOption(dryRunOption())
    .addOption(jsonOption())
    .action(async (directory, options) => (await import('./init.ts')).init(directory, options))
  program
    .command('edge')
    .description('places where edges run')
    .command('provision')
    .description('make places for edges in regions')
    .addOption(repeatable('--region <region>', 'its region; may be repeated').makeOptionMandatory())
    .addOption(
      new Option('--size <size>', 'what an edge may use')
        .choices(['small', 'medium', 'large'])
        .default('medium'),
    )
    .addOption(dryRunOption())
    .addOption(jsonOption())
    .action(async (options) => (await import('./provision.ts')).provision(options))
  addReleaseCommands(program)
  addConfigCommands(program)
  program
    .command('logs')
    .description('show what the edges logged')
    .addOption(repeatable('--region <region>', 'only of this region; may be repeated').default([], 'all'))
    .addOption(
      new Option('-n, --lines <number>', 'the last lines of each region')
        .argParser(wholeNumber('--lines', 0, 100_000))
        .default(50),
    )
    .option('-f, --follow', 'go on with what is added')
    .addOption(new Option('--json', 'every line in JSON, without the region before it'))
    .action(async (options) => (await import('./logs.ts')).logs(options))
  program
    .command('doctor')
    .description('check the machine and what is deployed, and say what to do')
    .addOption(jsonOption())
    .action(async (options) => (await import('./doctor.ts')).doctor(options))
  program
    .command('destroy')
    .description('end all that is deployed, and delete what belongs to it')
    .option('-y, --yes', "don't ask")
    .addOption(dryRunOption())
    .addOption(jsonOption())
    .action(async (options) => (await import('./destroy.ts')).destroy(options))
  program
    .command('supervise', { hidden: true })
    .action(async () => (await import('./supervise.ts')).supervise())
}

function addReleaseCommands(program: Command): void {
  program
    .command('deploy')
    .description('roll out a release, one node after the other')
    .requiredOption('--image <image>', 'of the edges; on the local target it only names the release')
    .addOption(new Option('-c, --config <file>', 'the configuration').default('token_buckets.yaml'))
    .addOption(
      repeatable(
        '-e, --env <NAME=value>',
        'set a variable of the edges, for this and later releases; NAME alone takes its value from your environment',
      ).default([], 'as before'),
    )
    .addOption(repeatable('--unset-env <NAME>', 'unset one that was set before').default([], 'none'))
    .addOption(readyTimeoutOption())
    .addOption(dryRunOption())
    .addOption(jsonOption())
    .action(async (options) => (await import('./deploy.ts')).deploy(options))
  program
    .command('rollback')
    .description('roll out again what an earlier release was')
    .addOption(
      new Option('--to <release>', 'its number; without it the last that differs').argParser(
        wholeNumber('--to', 1, 1_000_000_000),
      ),
    )
    .addOption(readyTimeoutOption())
    .addOption(dryRunOption())
    .addOption(jsonOption())
    .action(async (options) => (await import('./deploy.ts')).rollback(options))
}

function addConfigCommands(program: Command): void {
  const config = program.command('config').description('look at configurations')
  config
    .command('validate')
    .description('find every mistake in a configuration')
    .argument('[file]', 'the configuration', 'token_buckets.yaml')
    .addOption(jsonOption())
    .action(async (file, options) => (await import('./config.ts')).validateConfig(file, options))
  config
    .command('diff')
    .description('say what a configuration would change in what is deployed')
    .argument('[file]', 'the configuration', 'token_buckets.yaml')
    .addOption(jsonOption())
    .action(async (file, options) => (await import('./config.ts')).diffConfig(file, options))
}

function repeatable(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string, before: readonly string[] | undefined) => [
    ...(before ?? []),
    value,
  ])
}

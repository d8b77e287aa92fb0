#!/usr/bin/env node
import { basename } from 'node:path'
import tab from '@bomb.sh/tab/commander'
import { Command, Option } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { addConfigCommands } from './config-commands.ts'
import { exitCodes, failBy } from './fail.ts'
import { addLoadCommand } from './load-command.ts'
import { addNatsPermissions } from './nats-permissions.ts'
import { wholeNumber } from './numbers.ts'
import { addOperatingCommands } from './operating-commands.ts'
import { addProjectCommands } from './project-commands.ts'

const program = new Command(basename(process.argv[1] ?? '') === 'ubos' ? 'ubos' : 'openclaw')
  .description('A ratings API for many regions whose rate limits hold across all of them.')
  .version(packageJson.version)
  .showHelpAfterError()
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : exitCodes.wrongInput))

program
  .command('dev')
  .description('run all regions of a configuration in this process, on loopback, with an embedded store')
  .addOption(new Option('-c, --config <file>', 'the configuration').default('token_buckets.yaml'))
  .addOption(
    new Option('-p, --port <port>', "the first region's port, the others follow; 0: any free ports")
      .argParser(wholeNumber('--port', 0, 65_535))
      .default(8081),
  )
  .addOption(new Option('-d, --data-dir <directory>', 'where the ratings are kept').default('.openclaw/data'))
  .option('--no-delay', 'let messages between the regions arrive at once')
  .action(async (options) => (await import('./dev.ts')).dev(options))

program
  .command('serve')
  .description('run one edge node')
  .requiredOption('-c, --config <file>', 'the configuration')
  .requiredOption('-r, --region <region>', 'the region that this node serves')
  .addOption(
    new Option('--ordinal <number>', "the node's number in its region")
      .argParser(wholeNumber('--ordinal', 0, 9999))
      .default(0),
  )
  .action(async (options) => (await import('./serve.ts')).serve(options))

addProjectCommands(program)
addOperatingCommands(program)
addLoadCommand(program)
addConfigCommands(program)
addNatsPermissions(program)
tab(program, { completionCommandName: 'completion' })

// Each command loads what it needs when it is called: the parts of a node take most of a second.
await program.parseAsync().catch((error: unknown) => failBy(error, { json: process.argv.includes('--json') }))

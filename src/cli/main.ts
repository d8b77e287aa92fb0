#!/usr/bin/env node
import { Command, Option } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { dev } from './dev.ts'
import { explain, fail } from './fail.ts'
import { serve } from './serve.ts'

const program = new Command('openclaw')
  .description('A ratings API for many regions whose rate limits hold across all of them.')
  .version(packageJson.version)
  .showHelpAfterError()

program
  .command('dev')
  .description('run all regions of a configuration in this process, on loopback, with an embedded store')
  .addOption(new Option('-c, --config <file>', 'the configuration').default('token_buckets.yaml'))
  .addOption(
    new Option('-p, --port <port>', "the first region's port, the others follow; 0: any free ports")
      .argParser(portNumber)
      .default(8081),
  )
  .addOption(new Option('-d, --data-dir <directory>', 'where the ratings are kept').default('.openclaw/data'))
  .option('--no-delay', 'let messages between the regions arrive at once')
  .action(dev)

program
  .command('serve')
  .description('run one edge node')
  .requiredOption('-c, --config <file>', 'the configuration')
  .requiredOption('-r, --region <region>', 'the region that this node serves')
  .addOption(
    new Option('--ordinal <number>', "the node's number in its region").argParser(ordinalNumber).default(0),
  )
  .action(serve)

await program.parseAsync().catch((error: unknown) => fail(explain(error)))

function portNumber(text: string): number {
  return wholeNumber(text, { name: '--port', min: 0, max: 65_535 })
}

function ordinalNumber(text: string): number {
  return wholeNumber(text, { name: '--ordinal', min: 0, max: 9999 })
}

function wholeNumber(text: string, { name, min, max }: { name: string; min: number; max: number }): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && value >= min && value <= max) return value
  return program.error(`${name} ${text} is not allowed; allowed: a whole number from ${min} to ${max}`, {
    exitCode: 2,
  })
}

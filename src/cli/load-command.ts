import type { Command } from 'commander'

/** Values stay text here: what is wrong with them is said all at once. */
export function addLoadCommand(program: Command): void {
  program
    .command('load')
    .description('put load on running edges at a fixed rate, and say how they answer')
    .option(
      '-t, --target <region=url>',
      'an edge; may be repeated (default: those that run here)',
      append,
      [],
    )
    .option(
      '-w, --workload <name>',
      'rate-and-read: a rating, then its summary; take: a token of a limit',
      'rate-and-read',
    )
    .option('-r, --rate <number>', 'operations a second in each region', '100')
    .option('-d, --duration <time>', 'how long, after the ramp', '30s')
    .option('--ramp <time>', 'how long the rate grows first; not in the tables', '5s')
    .option('--arrivals <kind>', 'even or poisson: how operations follow each other', 'even')
    .option(
      '--connections <number>',
      'connections to each region at most, each with one request under way',
      '256',
    )
    .option('--timeout <time>', 'how long an answer may take', '10s')
    .option('--users <number>', 'how many users there are', '100000')
    .option('--user-skew <number>', "exponent of Zipf's law over users; 0: all alike", '0.99')
    .option('--subjects <number>', 'how many subjects there are', '10000')
    .option('--subject-skew <number>', "exponent of Zipf's law over subjects", '0.99')
    .option('--limit <name>', 'of which limit to take', 'ratings')
    .option('--seed <number>', 'of all chance: the same seed, the same operations', '1')
    .option('--max-p95 <time>', 'exit with 1 if a region has a p95 above')
    .option('--max-errors <percent>', 'exit with 1 if a region has more errors, such as 1%')
    .option('--json <file>', 'write the result there')
    .option('--html <file>', 'write a page with plots there')
    .addHelpText(
      'after',
      `
Exit codes:
  0  every threshold was kept
  1  one was missed, or an edge could not be reached
  2  options are not allowed
  3  no edge of this project runs

An API key is taken from the environment variable OPENCLAW_API_KEY.`,
    )
    .action(async (options) => (await import('./load.ts')).load(options))
}

function append(text: string, before: readonly string[]): string[] {
  return [...before, text]
}

import { Option, type Command } from 'commander'
import { loadConfig } from '../node/configuration.ts'
import { formatNatsPermissions } from '../node/nats-permissions.ts'

interface NatsPermissionsOptions {
  readonly config: string
  readonly region: string
  readonly ordinal: string
  readonly mayApply: boolean
}

/** `openclaw nats-permissions`: what a NATS user of a replica needs, as nats-server's configuration holds it. */
export function addNatsPermissions(program: Command): void {
  program
    .command('nats-permissions')
    .description("print the least permissions of a replica's NATS user, for nats-server's configuration")
    .requiredOption('-c, --config <file>', 'the configuration')
    .requiredOption('-r, --region <region>', 'the region of the replica')
    .addOption(new Option('--ordinal <number>', "the replica's number in its region").default('0'))
    .option('--may-apply', 'limits may be applied through this replica', false)
    .action(async ({ config: file, region, ordinal, mayApply }: NatsPermissionsOptions) => {
      const { cluster } = await loadConfig(file, process.env)
      process.stdout.write(formatNatsPermissions(cluster, { replica: `${region}/${ordinal}`, mayApply }))
    })
}

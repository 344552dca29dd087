import { Command } from 'commander';
import { EXIT_FAILURE } from '@esparse/errors';
import { openStore, verifyStore } from '@esparse/store';
import { withCancellation } from '../cancel.ts';
import { jsonOption, runOption, storeOption } from '../options/shared.ts';

interface Flags {
  readonly store: string;
  readonly run?: string;
  readonly json: boolean;
}

/** `esparse verify` */
export function verifyCommand(): Command {
  return new Command('verify')
    .description('Checks every checksum of a store; ends with 1 and a list where something is damaged.')
    .addOption(storeOption('store to check'))
    .addOption(runOption('check this run only (default: every run)'))
    .addOption(jsonOption())
    .action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

async function run({ store: directory, run: named, json }: Flags, signal: AbortSignal): Promise<void> {
  const { runs, objects, damages } = await verifyStore(await openStore(directory), { run: named, signal });
  const damaged = damages.some(({ severity }) => severity === 'error');
  if (json) process.stdout.write(`${JSON.stringify({ store: directory, runs, objects, damages })}\n`);
  else {
    for (const { severity, message } of damages) process.stdout.write(`${severity}: ${message}\n`);
    process.stdout.write(
      damaged
        ? `${directory} is damaged\n`
        : `${directory} is sound: ${objects} objects of ${runs.length} run${runs.length === 1 ? '' : 's'}\n`,
    );
  }
  if (damaged) process.exitCode = EXIT_FAILURE;
}

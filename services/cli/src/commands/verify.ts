import { Command } from 'commander';
import { EXIT_FAILURE } from '@esparse/errors';
import { openStore, type Damage } from '@esparse/store';
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

async function run({ store: directory, run: fingerprint, json }: Flags, signal: AbortSignal): Promise<void> {
  const store = await openStore(directory);
  const chosen =
    fingerprint === undefined
      ? (await store.runs()).map((summary) => summary.fingerprint)
      : [(await store.openRun(fingerprint)).fingerprint];
  const damages: (Damage & { readonly run: string })[] = [];
  let objects = 0;
  for (const name of chosen) {
    const opened = await store.openRun(name);
    let ofRun = 0;
    for (const damage of await opened.verify((progress) => (ofRun = progress.totalObjects), signal)) {
      damages.push({ run: name, ...damage });
    }
    objects += ofRun;
  }
  const damaged = damages.some(({ severity }) => severity === 'error');
  if (json) process.stdout.write(`${JSON.stringify({ store: directory, runs: chosen, objects, damages })}\n`);
  else {
    for (const { severity, message } of damages) process.stdout.write(`${severity}: ${message}\n`);
    process.stdout.write(
      damaged
        ? `${directory} is damaged\n`
        : `${directory} is sound: ${objects} objects of ${chosen.length} run${chosen.length === 1 ? '' : 's'}\n`,
    );
  }
  if (damaged) process.exitCode = EXIT_FAILURE;
}

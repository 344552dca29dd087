import { Command } from 'commander';
import { openStore } from '@esparse/store';
import { withCancellation } from '../cancel.ts';
import { isInteractive } from '../terminal.ts';
import { inspectRun } from '../inspect-run.ts';
import { renderInspection } from '../render-inspection.ts';
import { encodingOption, familyOption, loadOwn, type OwnFlags } from '../options/own.ts';
import { jsonOption, runOption, storeOption } from '../options/shared.ts';

interface Flags extends OwnFlags {
  readonly store: string;
  readonly run?: string;
  readonly json: boolean;
}

/** `esparse inspect` */
export function inspectCommand(): Command {
  return new Command('inspect')
    .description(
      'Shows what a store holds: its runs with their options, and of one run, by block and by linear, the size and what the shuffle gained.',
    )
    .addOption(storeOption('store to look into'))
    .addOption(runOption('run to look at, or its first digits (default: the current one)'))
    .addOption(familyOption())
    .addOption(encodingOption())
    .addOption(jsonOption())
    .action((flags: Flags) => withCancellation(() => run(flags)));
}

async function run({ store: directory, run: fingerprint, json, family, encoding }: Flags): Promise<void> {
  await loadOwn({ family, encoding });
  const store = await openStore(directory);
  const runs = await store.runs();
  const current = await store.current();
  // Before any run has finished there is no current one: the first can still be shown.
  const chosen = fingerprint ?? current ?? runs[0]?.fingerprint;
  const inspection = await inspectRun(await store.openRun(chosen));
  process.stdout.write(
    json
      ? `${JSON.stringify({ store: directory, current, runs, ...inspection })}\n`
      : renderInspection(inspection, runs, { bars: isInteractive(process.stdout) }),
  );
}

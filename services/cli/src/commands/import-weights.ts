import { Command, Option } from 'commander';
import { importWeights } from '@esparse/export';
import { openStore } from '@esparse/store';
import { withCancellation } from '../cancel.ts';
import { encodingOption, familyOption, loadOwn, type OwnFlags } from '../options/own.ts';
import { jsonOption, required, runOption, storeOption } from '../options/shared.ts';
import { createProgress } from '../progress.ts';

interface Flags extends OwnFlags {
  readonly store: string;
  readonly run?: string;
  readonly model: string;
  readonly outside: 'refuse' | 'drop';
  readonly json: boolean;
}

/** What is not committed is taken back, which takes a few requests to S3. */
const CLEANUP_MS = 10_000;

/** `esparse import-weights` */
export function importWeightsCommand(): Command {
  return new Command('import-weights')
    .description(
      'Makes a run of a checkpoint that was tuned from an export, with the masks and orders of the run that was exported: sparsity survives. The new run becomes the current one.',
    )
    .addOption(storeOption('store of the run that was exported'))
    .addOption(runOption('run that was exported, or its first digits (default: the current one)'))
    .addOption(required('--model <dir>', 'tuned checkpoint, in Hugging Face form', 'ESPARSE_MODEL'))
    .addOption(
      new Option('--outside <what>', 'what becomes of weights that were pruned and are not zero any more')
        .choices(['refuse', 'drop'])
        .default('refuse')
        .env('ESPARSE_OUTSIDE'),
    )
    .addOption(familyOption())
    .addOption(encodingOption())
    .addOption(jsonOption())
    .action((flags: Flags) => withCancellation((signal) => run(flags, signal), { cleanupMs: CLEANUP_MS }));
}

async function run(
  { store: directory, run: named, model, outside, json, family, encoding }: Flags,
  signal: AbortSignal,
): Promise<void> {
  await loadOwn({ family, encoding });
  const progress = createProgress(process.stderr);
  try {
    const store = await openStore(directory);
    const report = await importWeights({
      ...{ store, model, outside, signal },
      run: await store.openRun(named),
      onProgress: ({ phase, block, blocks }) => {
        progress.show(`${phase}: block ${block + 1} of ${blocks}`);
      },
    });
    progress.end();
    const dropped =
      report.outside === 0
        ? ''
        : `, ${report.outside} weights outside the masks were not zero and are left out`;
    process.stdout.write(
      json
        ? `${JSON.stringify({ store: directory, ...report })}\n`
        : `run ${report.run} with the masks of ${report.masksOf}: ${report.blocks} blocks${dropped}\n`,
    );
  } finally {
    progress.end();
  }
}

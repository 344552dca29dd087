import { Command } from 'commander';
import { openStore } from '@esparse/store';
import { withCancellation } from '../cancel.ts';
import { inspectRun, type RunInspection } from '../inspect-run.ts';
import { bytes, percent, percentOf, table } from '../table.ts';
import { familyOption, loadedFamily, type FamilyFlags } from '../options/family.ts';
import { jsonOption, runOption, storeOption } from '../options/shared.ts';

interface Flags extends FamilyFlags {
  readonly store: string;
  readonly run?: string;
  readonly json: boolean;
}

/** `esparse inspect` */
export function inspectCommand(): Command {
  return new Command('inspect')
    .description(
      'Shows what a store holds: runs, options, blocks, and per linear its size and what the shuffle gained.',
    )
    .addOption(storeOption('store to look into'))
    .addOption(runOption('run to look at, or its first digits (default: the current one)'))
    .addOption(familyOption())
    .addOption(jsonOption())
    .action((flags: Flags) => withCancellation(() => run(flags)));
}

async function run({ store: directory, run: fingerprint, json, family }: Flags): Promise<void> {
  await loadedFamily({ family });
  const store = await openStore(directory);
  const runs = await store.runs();
  const current = await store.current();
  // Before any run has finished there is no current one: the first can still be shown.
  const chosen = fingerprint ?? current ?? runs[0]?.fingerprint;
  const inspection = await inspectRun(await store.openRun(chosen));
  process.stdout.write(
    json
      ? `${JSON.stringify({ store: directory, current, runs, ...inspection })}\n`
      : render(inspection, { current, runs: runs.length }),
  );
}

function render(
  inspection: RunInspection,
  { current, runs }: { current: string | undefined; runs: number },
): string {
  const { run, model, pipeline, pattern, shuffle, options, blocks, totals } = inspection;
  const state = `${inspection.finished ? 'finished' : 'not finished'}${run === current ? ', current' : ''}`;
  const exceptions = Object.keys(options.layers ?? {}).length;
  const otherwise = exceptions === 0 ? '' : `, ${exceptions} linears otherwise`;
  const head =
    `run ${run} (${state}; ${runs} in the store)\n` +
    `${model}, ${pipeline} ${pattern}${otherwise}, shuffle ${shuffle ?? 'unknown'}\n` +
    `linears ${bytes(totals.bytes)} of ${bytes(totals.denseBytes)} dense (${percentOf(totals.bytes, totals.denseBytes)}), ` +
    `permutations ${bytes(totals.permutationBytes)}\n\n`;
  const rows = blocks.flatMap(({ block, committed, linears }) =>
    committed
      ? linears.map((linear) => [
          `${block}.${linear.name}`,
          linear.pattern ?? 'dense',
          `${linear.rows} x ${linear.cols}`,
          bytes(linear.bytes),
          bytes(linear.denseBytes),
          linear.keptScoreGain === undefined ? '-' : percent(linear.keptScoreGain),
        ])
      : [[`${block}`, 'not committed', '', '', '', '']],
  );
  return head + table(['linear', 'pattern', 'rows x cols', 'bytes', 'dense bytes', 'kept score gain'], rows);
}

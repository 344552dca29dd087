import { Command, Option } from 'commander';
import { EsparseError } from '@esparse/errors';
import { collectGarbage, openStore, type DamagedRun, type Garbage } from '@esparse/store';
import { withCancellation } from '../cancel.ts';
import { bytes, table } from '../table.ts';
import { jsonOption, runOption, storeOption } from '../options/shared.ts';

interface Flags {
  readonly store: string;
  readonly run?: string;
  readonly allUnfinished: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

const WHAT: Readonly<Record<Garbage['kind'], string>> = {
  uncommitted: 'not committed',
  hidden: 'hidden states',
  draft: 'draft of a block',
  run: 'unfinished run',
  temporary: 'unfinished write',
};

/** `esparse gc` */
export function gcCommand(): Command {
  return new Command('gc')
    .description(
      'Removes what abandoned runs left in a store: blocks that were not committed, hidden states, temporary files, uploads to S3. ' +
        'What is committed stays, so that a run can go on.',
    )
    .addOption(storeOption('store to clean'))
    .addOption(
      runOption('remove this unfinished run as a whole, its committed blocks too (or its first digits)'),
    )
    .addOption(
      new Option('--all-unfinished', 'remove all unfinished runs as a whole')
        .default(false)
        .env('ESPARSE_ALL_UNFINISHED'),
    )
    .addOption(
      new Option('--dry-run', 'list what would be removed, and remove nothing')
        .default(false)
        .env('ESPARSE_DRY_RUN'),
    )
    .addOption(jsonOption())
    .action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

async function run(
  { store: directory, run: fingerprint, allUnfinished, dryRun, json }: Flags,
  signal: AbortSignal,
): Promise<void> {
  if (fingerprint !== undefined && allUnfinished) {
    throw new EsparseError('usage', '--run and --all-unfinished exclude each other');
  }
  const { garbage, damaged } = await collectGarbage(await openStore(directory), {
    runs: allUnfinished ? 'all-unfinished' : fingerprint === undefined ? undefined : { fingerprint },
    dryRun,
    signal,
  });
  const total = garbage.reduce((sum, item) => sum + item.bytes, 0);
  process.stdout.write(
    json
      ? `${JSON.stringify({ store: directory, removed: !dryRun, bytes: total, garbage, damaged })}\n`
      : render(garbage, total, dryRun) + renderDamaged(damaged),
  );
}

function render(garbage: readonly Garbage[], total: number, dryRun: boolean): string {
  if (garbage.length === 0) return 'nothing to remove\n';
  const rows = garbage.map(({ kind, object, bytes: size }) => [object, WHAT[kind], bytes(size)]);
  rows.push([dryRun ? 'would be removed' : 'removed', '', bytes(total)]);
  return table(['object', 'what', 'bytes'], rows);
}

/** Runs that were left, since they look damaged and not abandoned. */
function renderDamaged(damaged: readonly DamagedRun[]): string {
  return damaged.map(({ run: name, message }) => `run ${name} is left as it is: ${message}\n`).join('');
}

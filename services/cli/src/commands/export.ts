import { Command, Option } from 'commander';
import {
  EXPORT_DTYPES,
  exportRun,
  FORMATS,
  type ExportDtype,
  type ExportProgress,
  type FoldedLinear,
  type RoundedTensors,
} from '@esparse/export';
import { openStore } from '@esparse/store';
import { withCancellation } from '../cancel.ts';
import { encodingOption, familyOption, loadOwn, type OwnFlags } from '../options/own.ts';
import { jsonOption, required, runOption, storeOption } from '../options/shared.ts';
import { createProgress } from '../progress.ts';
import { bytes } from '../table.ts';

interface Flags extends OwnFlags {
  readonly store: string;
  readonly run?: string;
  readonly out: string;
  readonly format: string;
  readonly fold: boolean;
  readonly dtype?: ExportDtype;
  readonly json: boolean;
}

/** `esparse export` */
export function exportCommand(): Command {
  const formats = FORMATS.map(({ name, description }) => `${name}: ${description}`).join('; ');
  return new Command('export')
    .description(
      'Writes a run of a store in the format of other programs. Stopped, the same command goes on.',
    )
    .addOption(storeOption())
    .addOption(runOption())
    .addOption(
      required(
        '--out <path>',
        'where to: an empty or new folder, or the new file where the format is one file',
        'ESPARSE_OUT',
      ),
    )
    .addOption(
      new Option('--format <name>', formats)
        .choices(FORMATS.map(({ name }) => name))
        .default('safetensors')
        .env('ESPARSE_FORMAT'),
    )
    .addOption(
      new Option(
        '--fold',
        'move the order of inputs into the linears before, where that is exact, so that groups of N:M are consecutive in memory',
      )
        .default(false)
        .env('ESPARSE_FOLD'),
    )
    .addOption(
      new Option(
        '--dtype <name>',
        'type of the weights; what is rounded is said, and a weight that the type does not hold is refused (default: as they are stored; f32 for onnx)',
      )
        .choices(EXPORT_DTYPES)
        .env('ESPARSE_DTYPE'),
    )
    .addOption(familyOption())
    .addOption(encodingOption())
    .addOption(jsonOption())
    .action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

async function run(
  { store, run: named, out, format, fold, dtype, json, family, encoding }: Flags,
  signal: AbortSignal,
): Promise<void> {
  await loadOwn({ family, encoding });
  const progress = createProgress(process.stderr);
  try {
    const report = await exportRun({
      run: await (await openStore(store)).openRun(named),
      format: FORMATS.find(({ name }) => name === format)!,
      ...{ out, fold, dtype, signal },
      onProgress: (at) => {
        progress.show(lineOf(at));
      },
    });
    progress.end();
    const { files, bytes: size } = report;
    process.stdout.write(
      json
        ? `${JSON.stringify({ store, ...report })}\n`
        : `${out}: ${files} ${files === 1 ? 'file' : 'files'}, ${bytes(size)} (${format}, run ${report.run})\n${foldingOf(report.linears)}${roundingOf(report.rounded)}`,
    );
  } finally {
    progress.end();
  }
}

function lineOf({ file, bytes: done, totalBytes }: ExportProgress): string {
  const share = totalBytes === 0 ? 100 : Math.floor((100 * done) / totalBytes);
  return `exporting: ${share} %, ${bytes(done)} of ${bytes(totalBytes)}, ${file}`;
}

const ORDERS: Readonly<Record<FoldedLinear['order'], string>> = {
  folded: 'folded into the linears before',
  contiguous: 'consecutive without',
  residual: 'in the original order, since they read the residual stream',
  heads: 'in the original order, since their groups cross heads of attention',
  kernel: 'in the original order, since their groups cross positions of the kernel',
  parts: 'in the original order, since their groups cross parts that are put together',
  fixed: 'in the original order, since what else makes or reads their inputs has an order of its own',
};

/** What was folded, a line for each fate. */
function foldingOf(linears: readonly FoldedLinear[] = []): string {
  return Object.entries(ORDERS)
    .map(([order, words]) => {
      const found = linears.filter((linear) => linear.order === order);
      const names = [...new Set(found.map(({ linear }) => linear))].map((name) => {
        const own = found.filter(({ linear }) => linear === name);
        const where = own[0]?.at === undefined ? '' : ` at ${own[0].at}`;
        return `${name}${where} (${own.length} ${own.length === 1 ? 'block' : 'blocks'})`;
      });
      return names.length === 0 ? '' : `${words}: ${names.join(', ')}\n`;
    })
    .join('');
}

/** What was rounded, a line for each pair of types. */
function roundingOf(rounded: readonly RoundedTensors[] = []): string {
  return rounded
    .map(
      ({ from, to, tensors }) =>
        `rounded from ${from} to ${to}: ${tensors} ${tensors === 1 ? 'tensor' : 'tensors'}\n`,
    )
    .join('');
}

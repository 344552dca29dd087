import { Command, InvalidArgumentError, Option } from 'commander';
import { openStore } from '@esparse/store';
import { withCancellation } from '../cancel.ts';
import { familyOption, loadedFamily, type FamilyFlags } from '../options/family.ts';
import { jsonOption, numeric, required, runOption, storeOption } from '../options/shared.ts';
import { above, integer } from '../options/values.ts';
import { createProgress } from '../progress.ts';

interface Flags extends FamilyFlags {
  readonly store: string;
  readonly run?: string;
  readonly model: string;
  readonly calibration: string;
  readonly device: string;
  readonly samples: number;
  readonly seqlen: number;
  readonly seed: number;
  readonly bos: boolean;
  readonly steps: number;
  readonly learningRate: number;
  readonly batch: number;
  readonly heldOut: number;
  readonly json: boolean;
}

/** What is not committed is taken back, which takes a few requests to S3. */
const CLEANUP_MS = 10_000;

/**
 * Steps of Adam begin with signs alone, which all blocks at once take worse than one; and held-out windows may gain nothing for a while
 * where the rate is high, and much where it falls.
 */
const SCHEDULE = { warmUp: 0.05, patience: 10 } as const;

/** `esparse tune` */
export function tuneCommand(): Command {
  return new Command('tune')
    .description(
      'Tunes all blocks of a run at once on a GPU, so that it expects the tokens that the dense model does, and makes a run of what came of it: masks and orders stay. The whole model has to fit the GPU. The new run becomes the current one.',
    )
    .addOption(storeOption('store of the run'))
    .addOption(runOption('run that is tuned, or its first digits (default: the current one)'))
    .addOption(required('--model <dir>', 'dense checkpoint that was pruned', 'ESPARSE_MODEL'))
    .addOption(required('--calibration <file>', 'text: plain, or JSONL as of `prune`', 'ESPARSE_CALIBRATION'))
    .addOption(
      new Option('--device <cuda[:n]>', 'the GPU').default('cuda').env('ESPARSE_DEVICE').argParser(gpuNamed),
    )
    .addOption(
      numeric(
        '--samples <n>',
        'windows of the text at most; they do not overlap',
        960,
        'ESPARSE_SAMPLES',
        integer(2, 1_000_000),
      ),
    )
    .addOption(numeric('--seqlen <n>', 'tokens of a window', 512, 'ESPARSE_SEQLEN', integer(2, 131_072)))
    .addOption(
      numeric(
        '--seed <n>',
        'seed of the windows and their order',
        0,
        'ESPARSE_SEED',
        integer(0, 2 ** 32 - 1),
      ),
    )
    .addOption(
      new Option('--bos', 'begin the tokenized text with the BOS token').default(false).env('ESPARSE_BOS'),
    )
    .addOption(
      numeric('--steps <n>', 'steps of gradient descent', 1000, 'ESPARSE_STEPS', integer(1, 1_000_000)),
    )
    .addOption(
      numeric(
        '--learning-rate <r>',
        'at its highest: it rises in the first twentieth of the steps, and falls to 0 along a cosine',
        3e-4,
        'ESPARSE_LEARNING_RATE',
        above(0, 1),
      ),
    )
    .addOption(numeric('--batch <n>', 'windows of a step', 16, 'ESPARSE_BATCH', integer(1, 4096)))
    .addOption(
      numeric(
        '--held-out <share>',
        'share of the windows that decides when it was best',
        0.05,
        'ESPARSE_HELD_OUT',
        above(0, 0.9),
      ),
    )
    .addOption(familyOption())
    .addOption(jsonOption())
    .action((flags: Flags) => withCancellation((signal) => run(flags, signal), { cleanupMs: CLEANUP_MS }));
}

async function run(
  {
    store: directory,
    run: named,
    device,
    json,
    family,
    steps,
    learningRate,
    batch,
    heldOut,
    ...given
  }: Flags,
  signal: AbortSignal,
): Promise<void> {
  await loadedFamily({ family });
  const { tuneRun } = await import('../tune/tune-run.ts');
  const progress = createProgress(process.stderr);
  try {
    const store = await openStore(directory);
    const report = await tuneRun({
      ...{ ...given, store, signal, run: await store.openRun(named), gpu: gpuOf(device) },
      tune: { steps, learningRate, batch, heldOut, ...SCHEDULE, relative: false },
      onProgress: progress.show,
    });
    progress.end();
    const { tuned } = report;
    const change = `divergence of held-out windows ${tuned.heldOutBefore.toFixed(4)}, now ${tuned.heldOutAfter.toFixed(4)}`;
    process.stdout.write(
      json
        ? `${JSON.stringify({ store: directory, ...report })}\n`
        : `run ${report.run} with the masks of ${report.masksOf}: ${report.windows} windows, ${tuned.steps} steps, ${change}\n`,
    );
  } finally {
    progress.end();
  }
}

const GPU = /^cuda(?::(\d{1,4}))?$/;

function gpuNamed(text: string): string {
  if (GPU.test(text)) return text;
  throw new InvalidArgumentError("Expected cuda, or cuda:N with the GPU's number.");
}

/** The number of the GPU that is named. */
function gpuOf(device: string): number {
  const [, ordinal = '0'] = GPU.exec(device) ?? [];
  return Number(ordinal);
}

import { Command, Option } from 'commander';
import { EsparseError } from '@esparse/errors';
import { PIPELINES, pipelineNamed, type ShuffleName } from '@esparse/pipelines';
import type { ClientTls } from '@esparse/protocol';
import { prune, startLocalWorker, type PruneOptions } from '@esparse/pruner';
import type { Pattern } from '@esparse/sparsity';
import { withCancellation } from '../cancel.ts';
import { collectInOneGo } from '../collect-in-one-go.ts';
import { integer, nonNegative, pattern, targets } from '../option-types.ts';
import { clientTlsOptions } from '../tls-options.ts';
import { createReporter } from '../prune-reporter.ts';
import { renderReport } from '../prune-report.ts';

interface Flags extends ClientTls {
  readonly model: string;
  readonly calibration: string;
  readonly store: string;
  readonly pipeline: string;
  readonly pattern: Pattern;
  readonly samples: number;
  readonly seqlen: number;
  readonly seed: number;
  readonly alpha: number;
  readonly bins: number;
  readonly entropyRange: 'channel' | 'tap';
  readonly shuffle?: ShuffleName;
  readonly bos: boolean;
  readonly skipIndivisible: boolean;
  readonly resume: boolean;
  readonly worker?: readonly string[];
  readonly inFlight?: number;
  readonly combine: 'pruner' | 'worker';
  readonly threads?: number;
  readonly json: boolean;
}

/** Bins of an entropy histogram at most: the statistics keep far fewer than this many distinct positions. */
const MAX_BINS = 1000;

/** `esparse prune` */
export function pruneCommand(): Command {
  const command = new Command('prune')
    .description('Prunes a checkpoint to N:M sparsity into a store, one block at a time.')
    .addOption(
      required('--model <dir|s3://…|https://…>', 'Hugging Face checkpoint to prune', 'ESPARSE_MODEL'),
    )
    .addOption(
      required(
        '--calibration <file>',
        'calibration text: plain, or JSONL with a "text" field',
        'ESPARSE_CALIBRATION',
      ),
    )
    .addOption(
      required('--store <dir|s3://…>', 'store to commit to; made where there is none', 'ESPARSE_STORE'),
    )
    .addOption(
      new Option('--pipeline <name>', `how to prune: ${[...PIPELINES.keys()].join(', ')}`)
        .default('e-sparse')
        .env('ESPARSE_PIPELINE'),
    )
    .addOption(
      new Option('--pattern <keep:group>', 'weights kept of every group of consecutive inputs')
        .default({ keep: 2, group: 4 }, '2:4')
        .env('ESPARSE_PATTERN')
        .argParser(pattern),
    )
    .addOption(numeric('--samples <n>', 'calibration windows', 128, 'ESPARSE_SAMPLES', integer(1, 1_000_000)))
    .addOption(numeric('--seqlen <n>', 'tokens of a window', 512, 'ESPARSE_SEQLEN', integer(2, 131_072)))
    .addOption(
      numeric('--seed <n>', "seed of the windows' offsets", 0, 'ESPARSE_SEED', integer(0, 2 ** 31 - 1)),
    )
    .addOption(
      numeric('--alpha <a>', 'weight of the amplitude against the entropy', 1, 'ESPARSE_ALPHA', nonNegative),
    )
    .addOption(
      numeric('--bins <n>', "bins of the entropy's histogram", 100, 'ESPARSE_BINS', integer(2, MAX_BINS)),
    )
    .addOption(
      new Option('--entropy-range <range>', "what the bins span: each channel's own range, or the tap's")
        .choices(['channel', 'tap'])
        .default('channel')
        .env('ESPARSE_ENTROPY_RANGE'),
    )
    .addOption(
      new Option(
        '--shuffle <kind>',
        'channel shuffles to run (default: both for e-sparse, none for the others)',
      )
        .choices(['none', 'global', 'local', 'both'])
        .env('ESPARSE_SHUFFLE'),
    )
    .addOption(
      new Option('--bos', 'begin the tokenized calibration text with the BOS token')
        .default(false)
        .env('ESPARSE_BOS'),
    )
    .addOption(
      new Option('--skip-indivisible', 'leave linears dense whose inputs are not divisible by the group')
        .default(false)
        .env('ESPARSE_SKIP_INDIVISIBLE'),
    )
    .addOption(
      new Option(
        '--resume',
        'go on with an earlier attempt only: where there is none, tell why and do nothing',
      )
        .default(false)
        .env('ESPARSE_RESUME'),
    )
    .addOption(
      new Option(
        '--worker <targets>',
        'workers to use: HOST:PORT, or dns:///NAME:PORT for all behind a name; may be repeated or separated by ' +
          'commas (default: one is started on loopback)',
      )
        .env('ESPARSE_WORKER')
        .argParser((text: string, before: readonly string[] | undefined) => [
          ...(before ?? []),
          ...targets(text),
        ]),
    )
    .addOption(
      new Option(
        '--in-flight <n>',
        'tasks that workers have at once (default: as many as workers are connected)',
      )
        .env('ESPARSE_IN_FLIGHT')
        .argParser(integer(1, 4096)),
    )
    .addOption(
      new Option(
        '--combine <where>',
        'where activations become statistics: worker sends far fewer bytes, the store is the same',
      )
        .choices(['pruner', 'worker'])
        .default('pruner')
        .env('ESPARSE_COMBINE'),
    )
    .addOption(
      new Option('--threads <n>', 'threads of the worker that is started (default: all processors)')
        .env('ESPARSE_THREADS')
        .argParser(integer(1, 1024)),
    )
    .addOption(new Option('--json', 'print one JSON event a line').default(false).env('ESPARSE_JSON'));
  for (const option of clientTlsOptions()) command.addOption(option);
  return command.action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

async function run({ worker = [], threads, json, ...flags }: Flags, signal: AbortSignal): Promise<void> {
  collectInOneGo();
  // gRPC greets a worker by its address where it has no name, of which Node warns: nothing that a user could mend.
  if (flags.tlsCa !== undefined) process.noDeprecation = true;
  const options: PruneOptions = { ...flags, pipeline: pipelineNamed(flags.pipeline), workers: worker };
  const reporter = createReporter({ json, stream: process.stdout });
  try {
    const report = await prune(options, {
      signal,
      emit: reporter.emit,
      startWorker: (roots) => startLocalWorker({ script: ownScript(), threads, roots }),
    });
    reporter.stop();
    if (!json) process.stdout.write(renderReport(report));
  } finally {
    reporter.stop();
  }
}

/** The script of this very command: the worker that prune starts is `esparse worker`. */
function ownScript(): string {
  const script = process.argv[1];
  if (script === undefined) throw new EsparseError('internal', 'the path of the esparse command is unknown');
  return script;
}

function required(flags: string, description: string, variable: string): Option {
  return new Option(flags, description).env(variable).makeOptionMandatory();
}

function numeric(
  flags: string,
  description: string,
  value: number,
  variable: string,
  parse: (text: string) => number,
): Option {
  return new Option(flags, description).default(value).env(variable).argParser(parse);
}

import { InvalidArgumentError, Option } from 'commander';
import { isSolver } from '@esparse/pruner';
import type { WorkerDevice } from '@esparse/worker';
import type { ClientTls } from '@esparse/protocol';
import { ALL_GPUS, deviceOption } from './device.ts';
import { runOptions, type RunFlags } from './run.ts';
import { required, threadsOption } from './shared.ts';
import { clientTlsOptions } from './tls.ts';
import { integer, targets } from './values.ts';

/** A run: what it does, to what, and with which workers. */
export interface PruneFlags extends ClientTls, RunFlags {
  readonly model: string;
  readonly calibration: string;
  readonly store: string;
  readonly resume: boolean;
  readonly worker?: readonly string[];
  readonly inFlight?: number;
  readonly threads?: number;
  readonly device?: WorkerDevice | typeof ALL_GPUS;
  readonly solver?: string;
}

/** What scores, shuffles and stages are computed on where nothing is said: the GPUs that blocks run on. */
export function usualSolver({
  device,
  solver,
}: {
  readonly device: PruneFlags['device'] | undefined;
  readonly solver: string | undefined;
}): string | undefined {
  if (solver !== undefined) return solver;
  return device?.startsWith('cuda') === true ? device : undefined;
}

/** The options of `PruneFlags`: all that `prune` takes, and so all that `plan` takes. */
export function pruneOptions(): Option[] {
  return [
    required(
      '--model <dir|s3://…|https://…|hf:…>',
      'Hugging Face checkpoint to prune; hf:org/name[@revision] is a model of the Hugging Face hub; or a graph, NET.onnx',
      'ESPARSE_MODEL',
    ),
    required(
      '--calibration <file|dir>',
      'calibration text: plain, or JSONL with a "text" field in a file named .jsonl or .json; at most 256 MiB; of a graph ' +
        'data: a .npz file with an array for each input, or a folder of .npy files',
      'ESPARSE_CALIBRATION',
    ),
    required('--store <dir|s3://…>', 'store to commit to; created where there is none', 'ESPARSE_STORE'),
    ...runOptions(),
    new Option('--resume', 'only go on with an earlier attempt: where there is none, say why and do nothing')
      .default(false)
      .env('ESPARSE_RESUME'),
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
    new Option(
      '--in-flight <n>',
      'tasks that workers have at once (default: as many as workers are connected)',
    )
      .env('ESPARSE_IN_FLIGHT')
      .argParser(integer(1, 4096)),
    threadsOption('threads of the worker that is started'),
    deviceOption(
      'what runs the blocks, for the worker that is started; cuda:all starts one for each GPU (default: "cpu")',
      [ALL_GPUS],
    ).conflicts('worker'),
    new Option(
      '--solver <cpu|cuda[:n[,m…]]|cuda:all>',
      'what scores weights, shuffles, and solves for weights (reconstruction, SparseGPT); of several GPUs each has linears of its own ' +
        '(default: the GPUs of --device, else the processor)',
    )
      .env('ESPARSE_SOLVER')
      .argParser((text: string) => {
        if (isSolver(text)) return text;
        throw new InvalidArgumentError('Expected cpu, cuda, cuda:n, cuda:n,m or cuda:all.');
      }),
    ...clientTlsOptions(),
  ];
}

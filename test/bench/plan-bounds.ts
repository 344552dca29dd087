/**
 * `npm run bench:plan`: the memory that `esparse plan` says beforehand, beside what the processes of the same run took at
 * most, over models, pipelines, numbers of workers and sizes of the calibration. Ends with 1 where a bound did not hold.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { esparseJson } from '../support/esparse.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { startWorkerProcess } from '../support/workers.ts';
import { heading, print } from './table.ts';

interface Peaks<Workers> {
  readonly pruner: number;
  readonly workers: Workers;
}

const flags = new Command('bench:plan')
  .option('--model <dirs...>', 'checkpoints', [EXAMPLE_MODEL])
  .option('--pipeline <names...>', 'pipelines', [
    'magnitude',
    'e-sparse',
    'e-sparse-reconstruct',
    'sparsegpt',
  ])
  .option('--workers <counts...>', 'numbers of workers', ['1', '2'])
  .option('--calibration <files...>', 'texts', [EXAMPLE_CALIBRATION])
  .option('--size <sizes...>', 'SAMPLESxSEQLEN', ['8x64', '64x512'])
  .parse()
  .opts<Record<'model' | 'pipeline' | 'workers' | 'calibration' | 'size', string[]>>();

const MIB = 2 ** 20;
const scratch = await mkdtemp(path.join(tmpdir(), 'esparse-bench-'));
let exceeded = 0;
try {
  heading('peak memory, seen of planned: pruner, largest worker');
  for (const model of flags.model)
    for (const calibration of flags.calibration)
      for (const size of flags.size)
        for (const pipeline of flags.pipeline)
          for (const workers of flags.workers)
            await compare({ model, calibration, size, pipeline, workers: Number(workers) });
} finally {
  await rm(scratch, { recursive: true, force: true });
}
if (exceeded > 0) {
  process.stdout.write(`${exceeded} bounds did not hold\n`);
  process.exitCode = 1;
}

interface Cell {
  readonly model: string;
  readonly calibration: string;
  readonly size: string;
  readonly pipeline: string;
  readonly workers: number;
}

async function compare({ model, calibration, size, pipeline, workers }: Cell): Promise<void> {
  const [samples = '', seqlen = ''] = size.split('x');
  const args = ['--model', model, '--pipeline', pipeline, '--samples', samples, '--seqlen', seqlen];
  const text = ['--calibration', calibration];
  const planned = (await esparseJson('plan', ...args, ...text, '--workers', String(workers))) as {
    readonly memory: { readonly pruner: number; readonly worker: number };
  };
  const seen = await peaksOf(workers, model, ...args, ...text);
  const of = (found: number, bound: number) => {
    if (found > bound) exceeded++;
    return `${(found / MIB).toFixed(0)} of ${(bound / MIB).toFixed(0)} MiB${found > bound ? ' EXCEEDED' : ''}`;
  };
  print({
    name: `${path.basename(model)}, ${path.basename(calibration)}, ${size}, ${pipeline}, ${workers}`,
    measured: `${of(seen.pruner, planned.memory.pruner)}, ${of(Math.max(...seen.workers), planned.memory.worker)}`,
  });
}

/** The peaks of a run, which is then removed. One worker is the one that `prune` starts. */
async function peaksOf(count: number, model: string, ...args: string[]): Promise<Peaks<readonly number[]>> {
  const store = path.join(scratch, 'store');
  const roots = ['--root', path.resolve(model), '--root', scratch];
  const started = await Promise.all(
    Array.from({ length: count === 1 ? 0 : count }, () => startWorkerProcess(...roots)),
  );
  try {
    const named = started.flatMap(({ address }) => ['--worker', address]);
    const report = await esparseJson('prune', ...args, '--store', store, ...named);
    return report.peakResidentBytes as Peaks<readonly number[]>;
  } finally {
    for (const worker of started) await worker.end('SIGTERM');
    await rm(store, { recursive: true, force: true });
  }
}

import path from 'node:path';
import { EXAMPLE_CALIBRATION } from '../../support/repository.ts';
import type { LlamaShape } from '../../support/random-model.ts';
import { heading, print, secondsOf } from '../table.ts';
import { writeNoiseLlama } from './noise-model.ts';
import { watchedPrune, type BlockPeak } from './watched-run.ts';

/** LLaMA-13B, but for its vocabulary: the example's tokenizer has 2048 tokens. */
const SHAPE = { hidden: 5120, intermediate: 13824, heads: 40, kvHeads: 40 } satisfies Partial<LlamaShape>;

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** The block from which on nothing may grow: by then every buffer and cache has its size. */
const SETTLED = 4;

/** Prunes a generated model of the 13B shape, larger than memory with 40 blocks, and prints who held how much. */
export async function benchOutOfCore(blocks: number, scratch: string): Promise<void> {
  heading(`out of core: a LLaMA of the 13B shape, ${blocks} blocks, 2 x 64 tokens, --shuffle global`);
  const model = path.join(scratch, '13b');
  let bytes = 0;
  const writing = await secondsOf(async () => {
    bytes = await writeNoiseLlama(model, { ...SHAPE, blocks });
  });
  print({
    name: `checkpoint written, ${(bytes / 1e9).toFixed(1)} GB of bf16`,
    measured: `${writing.toFixed(0)} s`,
  });

  const run = await watchedPrune(
    ...['--model', model, '--calibration', EXAMPLE_CALIBRATION, '--store', path.join(scratch, '13b-store')],
    ...['--samples', '2', '--seqlen', '64', '--shuffle', 'global'],
  );
  print({ name: 'whole run', measured: `${run.seconds.toFixed(0)} s` });
  for (const [phase, seconds] of Object.entries(run.report.seconds as Record<string, number>))
    print({ name: `  ${phase}`, measured: `${seconds.toFixed(1)} s` });
  print(within('peak resident size of the pruner (VmHWM)', run.prunerPeak, GIB));
  print(within('peak resident size of the worker (VmHWM)', run.workerPeak, 3 * GIB));
  for (const [name, peaks] of [
    ['pruner', run.pruner],
    ['worker', run.worker],
  ] as const)
    growth(name, peaks);
}

function within(name: string, bytes: number, limit: number) {
  return { name, measured: mib(bytes), target: `< ${mib(limit)}`, met: bytes < limit };
}

/** Anonymous memory of the last block against the one from which on it has settled. */
function growth(name: string, peaks: readonly BlockPeak[]): void {
  for (const [block, { anonymous, file }] of peaks.entries()) {
    if (block % 5 === 4 || block === 0 || block === peaks.length - 1)
      print({
        name: `  ${name}, block ${block + 1}`,
        measured: mib(anonymous),
        target: `files ${mib(file)}`,
      });
  }
  const settled = peaks[SETTLED];
  if (settled === undefined || peaks.length <= SETTLED + 1) return;
  const ratio = peaks.at(-1)!.anonymous / settled.anonymous;
  print({
    name: `${name}: last block against block ${SETTLED + 1}`,
    measured: `${ratio.toFixed(3)} x`,
    target: '<= 1.05 x',
    met: ratio <= 1.05,
  });
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}

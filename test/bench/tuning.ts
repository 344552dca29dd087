/**
 * `npm run bench:tuning`: tuning a block beside the forward passes that it contains, on the processor. By turns, and in
 * processor time, so that what else the machine does meets both alike. On the first block of a model; by default of a
 * generated one.
 */
import { checkpointWeights, openCheckpoint, type WeightSource } from '@esparse/checkpoint';
import { describeModel, linearsOf, weightSlot, type ModelDescription } from '@esparse/model';
import { createBlockRunner } from '@esparse/onnx';
import { tuneBlock, type TunedParameter } from '@esparse/tuning';
import { Command } from 'commander';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { seededNumbers, writeRandomLlama } from '../support/random-model.ts';
import { heading, median, print } from './table.ts';

/** The target: tuning takes at most so many times its forward passes. */
const MOST = 3.5;

const flags = new Command('bench:tuning')
  .option('--model <dir>', 'checkpoint (default: a generated LLaMA of 512 / 1408)')
  .option('--seqlen <n>', 'tokens of a sequence', '512')
  .option('--samples <n>', 'sequences, a tenth of which is held out', '40')
  .option('--batch <n>', 'sequences of a step', '8')
  .option('--steps <n>', 'steps', '30')
  .option('--repeats <n>', 'measurements of each', '3')
  .parse()
  .opts<Record<'seqlen' | 'samples' | 'batch' | 'steps' | 'repeats', string> & { model?: string }>();

const [seqlen, batch, steps] = [Number(flags.seqlen), Number(flags.batch), Number(flags.steps)];
const scratch = await mkdtemp(path.join(tmpdir(), 'esparse-bench-'));
try {
  const checkpoint = await openCheckpoint(flags.model ?? (await generated()));
  await bench(describeModel(checkpoint.config), checkpointWeights(checkpoint));
  await checkpoint.close();
} finally {
  await rm(scratch, { recursive: true, force: true });
}

async function generated(): Promise<string> {
  const directory = path.join(scratch, 'model');
  await writeRandomLlama(directory, { hidden: 512, intermediate: 1408, blocks: 1, heads: 8, kvHeads: 4 });
  return directory;
}

async function bench(description: ModelDescription, weights: WeightSource): Promise<void> {
  heading(`a block of ${description.hidden} channels, ${batch} sequences of ${seqlen} tokens a step`);
  const noise = seededNumbers(1);
  const inputs = Array.from({ length: Number(flags.samples) }, () =>
    Float32Array.from({ length: seqlen * description.hidden }, () => noise() - 0.5),
  );
  const runner = await createBlockRunner(description, { seqlen });
  const dense = await runner.load(0, weights);
  const parameters = await halfOf(description, weights);
  const ratios: number[] = [];
  for (let repeat = 0; repeat < Number(flags.repeats); repeat++) {
    const lap = stopwatch();
    const targets: Float32Array[] = [];
    for (const input of inputs) targets.push(await dense.advance(input));
    const forward = lap() / inputs.length;
    let passes = 0;
    await tuneBlock({
      ...{ description, block: 0, parameters, seqlen, sequences: inputs.length, seed: repeat },
      inputs(sequence) {
        passes++;
        return Promise.resolve(inputs[sequence]!);
      },
      targets: (sequence) => Promise.resolve(targets[sequence]!),
      options: { steps, batch },
    });
    const tuning = lap();
    ratios.push(tuning / (passes * forward));
    const measured = `${(1000 * forward).toFixed(0)} ms, ${tuning.toFixed(1)} s`;
    print({ name: `a forward pass; ${steps} steps, ${passes} passes`, measured });
  }
  const ratio = median(ratios);
  const measured = `${ratio.toFixed(2)} x`;
  print({ name: 'ratio, median', measured, target: `<= ${MOST} x`, met: ratio <= MOST });
}

/** The block's parameters, every other weight of the linears pruned: which ones changes no time. */
async function halfOf(description: ModelDescription, weights: WeightSource) {
  const parameters = new Map<string, TunedParameter>();
  for (const { name, weight } of linearsOf(description, 0)) {
    const values = await weights.read(weight(0));
    const mask = Uint8Array.from(values, (_, i) => i % 2);
    parameters.set(weightSlot(name), { values, mask, dtype: 'bf16' });
  }
  for (const { slot, name } of description.blockTensors(0)) {
    parameters.set(slot, { values: await weights.read(name), dtype: 'bf16' });
  }
  return parameters;
}

/** Seconds of processor time, of all threads, since it was asked before. */
function stopwatch(): () => number {
  let last = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(last);
    last = process.cpuUsage();
    return (user + system) / 1e6;
  };
}

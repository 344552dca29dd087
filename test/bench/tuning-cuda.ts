/**
 * `npm run bench:tuning-cuda -- [--shape smollm,29m,7b] [--steps N] [--kernels]`: steps of tuning a block on an NVIDIA GPU, random weights, half
 * of them pruned. `test/python/torch_tuning.py` takes the same steps in PyTorch: with `--torch PYTHON` it runs before and after, on
 * the same card. `--kernels` tells what each kernel of a step takes by itself.
 */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { CudaArithmetic } from '@esparse/cuda';
import { describeModel, linearsOf, weightSlot } from '@esparse/model';
import { cudaTuning, type TuneStep, type TunedParameter, type TuningBackend } from '@esparse/tuning';
import { seededNumbers } from '../support/random-model.ts';
import { kernelTimes } from './kernel-times.ts';
import { heading, print } from './table.ts';

/** Sizes of a block, tokens of a sequence, and sequences of a step. */
const SHAPES = {
  '29m': { hidden: 512, inner: 1408, heads: 8, kvHeads: 4, seqlen: 512, batch: 16 },
  smollm: { hidden: 576, inner: 1536, heads: 9, kvHeads: 3, seqlen: 512, batch: 16 },
  '7b': { hidden: 4096, inner: 11008, heads: 32, kvHeads: 32, seqlen: 2048, batch: 8 },
};
type Shape = (typeof SHAPES)[keyof typeof SHAPES];

const { values: flags } = parseArgs({
  options: {
    shape: { type: 'string', default: 'smollm' },
    steps: { type: 'string', default: '100' },
    torch: { type: 'string' },
    kernels: { type: 'boolean', default: false },
  },
});
const steps = Number(flags.steps);
const SCRIPT = path.join(import.meta.dirname, '../../python/torch_tuning.py');

for (const name of flags.shape.split(',')) {
  const shape = SHAPES[name as keyof typeof SHAPES];
  heading(
    `${name}: a block of ${shape.hidden} / ${shape.inner}, ${shape.batch} sequences of ${shape.seqlen} tokens a step`,
  );
  const torch = () =>
    flags.torch === undefined
      ? undefined
      : Number(
          execFileSync(flags.torch, [SCRIPT, JSON.stringify(shape), String(steps)], {
            stdio: ['ignore', 'pipe', 'inherit'],
          }),
        );
  const before = torch();
  const ours = await secondsOfStep(shape);
  const flops = 6 * weightsOf(shape) * shape.batch * shape.seqlen;
  print({
    name: 'a step',
    measured: `${(1000 * ours).toFixed(2)} ms, ${(flops / ours / 1e12).toFixed(0)} TFLOP/s in linears`,
  });
  if (flags.kernels) await tellKernels(shape);
  const after = torch();
  if (before === undefined || after === undefined) continue;
  const theirs = (before + after) / 2;
  const ratio = theirs / ours;
  const measured = `${(1000 * theirs).toFixed(2)} ms, ours at ${ratio.toFixed(2)} x its rate`;
  print({ name: 'PyTorch, bf16 autocast, compiled', measured, target: '>= 0.6 x', met: ratio >= 0.6 });
}

function weightsOf({ hidden, inner, heads, kvHeads }: Shape): number {
  return 2 * hidden * hidden + (2 * hidden * hidden * kvHeads) / heads + 3 * hidden * inner;
}

/** Each kernel's share of a step. */
async function tellKernels(shape: Shape): Promise<void> {
  const gpu = CudaArithmetic.open();
  const { gpu: timing, times } = kernelTimes(gpu);
  const { block, way } = await openBlock(shape, timing);
  await block.descend(way(1), () => undefined);
  await block.release();
  gpu.close();
  const all = [...times].sort(([, a], [, b]) => b.ms - a.ms);
  const total = all.reduce((sum, [, { ms }]) => sum + ms, 0);
  for (const [name, { calls, ms }] of all) {
    print({ name, measured: `${ms.toFixed(3)} ms in ${calls} calls, ${((100 * ms) / total).toFixed(1)} %` });
  }
  print({ name: 'all of them, one after the other', measured: `${total.toFixed(2)} ms` });
}

async function secondsOfStep(shape: Shape): Promise<number> {
  const gpu = CudaArithmetic.open();
  const { block, way } = await openBlock(shape, gpu);
  const nothing = () => undefined;
  await block.descend(way(10), nothing);
  const started = performance.now();
  await block.descend(way(steps), nothing);
  const seconds = (performance.now() - started) / 1000;
  await block.release();
  gpu.close();
  return seconds / steps;
}

/** A block with random weights, and steps over its sequences. */
async function openBlock(
  { hidden, inner, heads, kvHeads, seqlen, batch }: Shape,
  gpu: CudaArithmetic,
): Promise<{ block: TuningBackend; way: (steps: number) => TuneStep[] }> {
  const description = describeModel({
    ...{
      model_type: 'llama',
      hidden_size: hidden,
      intermediate_size: inner,
      num_hidden_layers: 1,
      vocab_size: 64,
    },
    ...{ num_attention_heads: heads, num_key_value_heads: kvHeads, max_position_embeddings: seqlen },
    ...{ rms_norm_eps: 1e-5, rope_theta: 1e4, tie_word_embeddings: true, hidden_act: 'silu' },
  });
  const noise = seededNumbers(1);
  const random = (length: number, size: number) => {
    const values = new Float32Array(length);
    for (let i = 0; i < length; i++) values[i] = size * (2 * noise() - 1);
    return values;
  };
  const parameters = new Map<string, TunedParameter>();
  for (const { name, rows, cols } of linearsOf(description, 0)) {
    const mask = new Uint8Array(rows * cols).map((_, i) => i & 1);
    parameters.set(weightSlot(name), { values: random(rows * cols, 0.03), mask, dtype: 'bf16' });
  }
  for (const { slot } of description.blockTensors(0)) {
    parameters.set(slot, { values: new Float32Array(hidden).fill(1), dtype: 'bf16' });
  }
  const states = Array.from({ length: 2 }, () => random(seqlen * hidden, 1));
  const sequences = 2 * batch;
  const block = await cudaTuning(gpu, (text) => {
    process.stdout.write(`${text}\n`);
  })({
    ...{ description, block: 0, parameters, sequences, seqlen, batch },
    inputs: () => Promise.resolve(states[0]!),
    targets: () => Promise.resolve(states[1]!),
  });
  const way = (count: number) =>
    Array.from({ length: count }, (_, step) => ({
      sequences: Array.from({ length: batch }, (_, i) => (step * batch + i) % sequences),
      rate: 1e-4,
    }));
  return { block, way };
}

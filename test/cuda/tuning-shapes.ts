/**
 * Tunes blocks of real models' sizes on a GPU that computes nothing (`idle=1` of `libs/cuda/emulation`): what is asked for, from grids
 * to the ends of matrices, is within what a GPU takes, and within the memory that is held. Prints the steps that were asked for.
 */
import { CudaArithmetic, createCudaBlockRunner } from '@esparse/cuda';
import { describeModel, linearsOf, weightSlot } from '@esparse/model';
import { cudaTuning, tuneBlock, type TunedParameter } from '@esparse/tuning';

/** How a model's block is tuned. */
interface Shape {
  readonly hidden: number;
  readonly inner: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly sequences: number;
  readonly seqlen: number;
  readonly batch: number;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  // SmolLM2-135M, with as many windows as are worth it.
  small: { hidden: 576, inner: 1536, heads: 9, kvHeads: 3, sequences: 960, seqlen: 512, batch: 16 },
  // Of TinyLlama-1.1B's heads: the scores of a batch are cut into parts.
  wide: { hidden: 2048, inner: 2816, heads: 32, kvHeads: 4, sequences: 32, seqlen: 2048, batch: 16 },
  // A shard has more rows than a grid may have blocks in y.
  long: { hidden: 32, inner: 64, heads: 2, kvHeads: 1, sequences: 3, seqlen: 32_768, batch: 1 },
};
/** Sequences that go through the block together. */
const SHARD = 3;
/** More than are asked for at once (32), and than are between two askings of the held-out loss. */
const STEPS = 400;

const gpu = CudaArithmetic.open();
const asked: Record<string, number> = {};
for (const [name, shape] of Object.entries(SHAPES)) asked[name] = await tune(shape);
gpu.close();
process.stdout.write(JSON.stringify(asked));

async function tune({ hidden, inner, heads, kvHeads, sequences, seqlen, batch }: Shape): Promise<number> {
  const description = describeModel({
    ...{ model_type: 'llama', num_hidden_layers: 1, vocab_size: 64, rms_norm_eps: 1e-5, hidden_act: 'silu' },
    ...{ hidden_size: hidden, intermediate_size: inner, max_position_embeddings: seqlen },
    ...{ num_attention_heads: heads, num_key_value_heads: kvHeads },
  });
  const parameters = new Map<string, TunedParameter>();
  for (const { name, rows, cols } of linearsOf(description, 0)) {
    const values = new Float32Array(rows * cols);
    parameters.set(weightSlot(name), { values, mask: new Uint8Array(values.length), dtype: 'bf16' });
  }
  for (const { slot, shape } of description.blockTensors(0)) {
    parameters.set(slot, { values: new Float32Array(shape.reduce((a, b) => a * b, 1)), dtype: 'bf16' });
  }
  // The block's own forward pass, which makes the targets.
  const runner = createCudaBlockRunner(description, { gpu, seqlen });
  const named = new Map([
    ...linearsOf(description, 0).map(({ name, weight }) => [weight(0), weightSlot(name)] as const),
    ...description.blockTensors(0).map(({ name, slot }) => [name, slot] as const),
  ]);
  const read = (name: string) => Promise.resolve(parameters.get(named.get(name)!)!.values);
  const loaded = await runner.load(0, {
    ...{ has: () => true, shape: () => [], read, readRows: read, readRowRange: read },
  });
  const states = new Float32Array(seqlen * hidden);
  await loaded.advance(new Float32Array(SHARD * states.length));
  await runner.release();
  const { report } = await tuneBlock({
    ...{ description, block: 0, parameters, sequences, seqlen, seed: 0, backend: cudaTuning(gpu) },
    inputs: () => Promise.resolve(states),
    targets: () => Promise.resolve(states),
    options: { steps: STEPS, batch },
  });
  return report.steps;
}

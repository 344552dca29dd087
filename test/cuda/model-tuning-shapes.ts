/**
 * Tunes models of real sizes as a whole on a GPU that computes nothing (`idle=1` of `libs/cuda/emulation`): what is asked for is within
 * what a GPU takes, and within the memory that is held. Prints of each the steps that were asked for and the GiB that were held; or why
 * it was refused.
 */
import { CudaArithmetic } from '@esparse/cuda';
import { isEsparseError } from '@esparse/errors';
import { describeModel, linearsOf, weightSlot, type ModelDescription } from '@esparse/model';
import { modelSlot, openCudaModel, type TunedParameter } from '@esparse/tuning';
import { withRoom } from './with-room.ts';

/** A model, and what of a GPU is free. */
interface Shape {
  readonly hidden: number;
  readonly inner: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly blocks: number;
  readonly vocab: number;
  readonly gib: number;
}

const SMOLLM2 = { hidden: 576, inner: 1536, heads: 9, kvHeads: 3, blocks: 30, vocab: 49_152 };
const TINY_LLAMA = { hidden: 2048, inner: 5632, heads: 32, kvHeads: 4, blocks: 22, vocab: 32_000 };
const SHAPES: Readonly<Record<string, Shape>> = {
  small: { ...SMOLLM2, gib: 139 },
  'small of little room': { ...SMOLLM2, gib: 6 },
  wide: { ...TINY_LLAMA, gib: 139 },
  'wide of little room': { ...TINY_LLAMA, gib: 24 },
  // Logits of a vocabulary that fits no step of anything.
  odd: { ...SMOLLM2, blocks: 1, vocab: 50_257, gib: 139 },
};
/** Those of `esparse tune`; more steps than are asked for at once. */
const [SEQUENCES, SEQLEN, BATCH, STEPS] = [960, 512, 16, 40];
/** Held-out windows: not a whole number of batches. */
const HELD_OUT = 48 + 5;

const gpu = CudaArithmetic.open();
const asked: Record<string, unknown> = {};
for (const [name, shape] of Object.entries(SHAPES)) {
  try {
    asked[name] = await tune(shape);
  } catch (error) {
    if (!isEsparseError(error)) throw error;
    asked[name] = error.message;
  }
}
gpu.close();
process.stdout.write(JSON.stringify(asked));

async function tune({ gib, ...shape }: Shape) {
  const description = describeModel({
    ...{ model_type: 'llama', rms_norm_eps: 1e-5, hidden_act: 'silu', max_position_embeddings: SEQLEN },
    ...{ hidden_size: shape.hidden, intermediate_size: shape.inner, num_hidden_layers: shape.blocks },
    ...{ num_attention_heads: shape.heads, num_key_value_heads: shape.kvHeads, vocab_size: shape.vocab },
    tie_word_embeddings: true,
  });
  const head = {
    tensors: new Map([['model.norm.weight', new Float32Array(shape.hidden)]]),
    matrix: new Uint16Array(shape.vocab * shape.hidden),
  };
  const states = new Float32Array(SEQLEN * shape.hidden);
  const give = () => Promise.resolve(states);
  const told: string[] = [];
  const opened = await openCudaModel(
    withRoom(gpu, gib * 2 ** 30),
    head,
    {
      ...{ description, block: 0, parameters: parametersOf(description), batch: BATCH },
      ...{ sequences: SEQUENCES, seqlen: SEQLEN, inputs: give, targets: give },
    },
    (text) => told.push(text),
  );
  const sequences = (count: number) => Array.from({ length: count }, (_, i) => i);
  await opened.loss(sequences(HELD_OUT));
  const way = sequences(STEPS).map(() => ({ sequences: sequences(BATCH), rate: 1e-3 }));
  const steps = await opened.descend(way, () => undefined);
  const held = Math.round((10 * gpu.facts.heldBytes) / 2 ** 30) / 10;
  if (held > gib) throw new Error(`${held} GiB are held, of ${gib}`);
  await opened.release();
  return { steps, held, told };
}

/** All zeros: matrices of a size are one. */
function parametersOf(description: ModelDescription): ReadonlyMap<string, TunedParameter> {
  const parameters = new Map<string, TunedParameter>();
  const known = new Map<number, Pick<TunedParameter, 'values' | 'mask'>>();
  const of = (length: number) => {
    const made = known.get(length) ?? { values: new Float32Array(length), mask: new Uint8Array(length) };
    known.set(length, made);
    return made;
  };
  for (let block = 0; block < description.blocks; block++) {
    for (const { name, rows, cols } of linearsOf(description, block))
      parameters.set(modelSlot(block, weightSlot(name)), { ...of(rows * cols), dtype: 'bf16' });
    for (const { slot, shape } of description.blockTensors(block))
      parameters.set(modelSlot(block, slot), { values: of(shape[0]!).values, dtype: 'bf16' });
  }
  return parameters;
}

import type { BlockSurroundings, PrunedBlock } from '@esparse/dataflow';
import { syntheticSequence } from '@esparse/laws';
import { unpackToHalf, type SequenceStates, type TunedResult } from '@esparse/sparsity';

/** Channels of the made-up block's hidden states. */
const HIDDEN = 32;
/** The slot of its norm. */
export const NORM = 'norm';

/** How far the dense block's output is from its input, and the dense model's from that. */
const STEP = 0.5;
const DRIFT = 0.05;

/** What surrounds the linears of a made-up block: a norm, and hidden states that depend on seed and sequence alone. */
export function syntheticSurroundings({
  sequences,
  seqlen,
  seed,
}: {
  readonly sequences: number;
  readonly seqlen: number;
  readonly seed: number;
}): BlockSurroundings {
  return {
    program: [],
    tensors: [
      {
        ...{ slot: NORM, shape: [HIDDEN], dtype: 'bf16' },
        values: () => Promise.resolve(new Float32Array(HIDDEN).fill(1)),
      },
    ],
    ...{ sequences, seqlen, hidden: HIDDEN },
    async *states() {
      for (let sequence = 0; sequence < sequences; sequence++) {
        // A stage that is cancelled between two sequences ends there.
        await Promise.resolve();
        yield statesOf(sequence, seqlen, seed);
      }
    },
  };
}

function statesOf(sequence: number, seqlen: number, seed: number): SequenceStates {
  const drawn = (part: number) =>
    syntheticSequence({ channels: HIDDEN, seqlen, seed: 3 * seed + part }, sequence);
  const [step, drift] = [drawn(1), drawn(2)];
  const input = drawn(0);
  const output = input.map((value, i) => value + STEP * step[i]!);
  return { sequence, input, output, dense: output.map((value, i) => value + DRIFT * drift[i]!) };
}

/** Tuning without a model: the block as it is, after so many steps. */
export async function untuned(
  { linears, tensors }: PrunedBlock,
  steps: number,
  progress: (done: number, total: number) => void,
): Promise<TunedResult> {
  const weights: Record<string, Uint16Array> = {};
  for (const { job, packed } of linears)
    weights[job.name] = await unpackToHalf(packed, 'dtype' in packed ? packed.dtype : 'bf16');
  if (steps > 0) progress(steps, steps);
  return {
    weights,
    tensors: Object.fromEntries(tensors),
    report: { steps, lossBefore: 0, lossAfter: 0 },
  };
}

import type { WeightSource } from '@esparse/checkpoint';
import { createCudaBlockRunner, type CudaArithmetic } from '@esparse/cuda';
import { BLOCK_OUTPUT, type DeviceTap, type ModelDescription } from '@esparse/model';
import { embedTokensRounded } from '@esparse/onnx';
import type { PlacedPart } from '@esparse/tuning';

/** Bytes of hidden states that go through a block at once. */
const PIECE_BYTES = 64 << 20;

/** A dense model, and what goes through it. */
export interface DensePass {
  readonly gpu: CudaArithmetic;
  readonly description: ModelDescription;
  readonly weights: WeightSource;
  /** (sequences x seqlen) */
  readonly tokens: Uint32Array;
  readonly seqlen: number;
  readonly signal: AbortSignal;
  readonly onBlock: (block: number) => void;
}

/**
 * Embeds tokens, the inputs of a model that is tuned as a whole, and runs the dense model over them, block after block: what its last one
 * makes of them are the targets. Hidden states stay in the memory of the GPU.
 */
export async function placeDenseStates(
  { gpu, description, weights, tokens, seqlen, signal, onBlock }: DensePass,
  add: (part: PlacedPart) => void,
): Promise<void> {
  const { hidden, blocks } = description;
  const size = seqlen * hidden;
  const atOnce = Math.max(1, Math.floor(PIECE_BYTES / (2 * size)));
  const sequences = tokens.length / seqlen;
  const runner = createCudaBlockRunner(description, { gpu, seqlen });
  const pieces: {
    readonly memory: ReturnType<CudaArithmetic['allocate']>;
    readonly first: number;
    length: number;
  }[] = [];
  try {
    for (let first = 0; first < sequences; first += atOnce) {
      const some = tokens.subarray(first * seqlen, (first + atOnce) * seqlen);
      const values = await embedTokensRounded(description, weights, some, seqlen, signal);
      add({ to: 'inputs', first, values, share: 1 });
      const memory = gpu.allocate(values.byteLength);
      gpu.upload(memory.address, values);
      pieces.push({ memory, first, length: values.length });
    }
    for (let block = 0; block < blocks; block++) {
      onBlock(block);
      const loaded = await runner.load(block, weights, signal);
      for (const { memory, first, length } of pieces) {
        signal.throwIfAborted();
        const { address } = memory;
        const states = { address, length };
        if (block < blocks - 1) {
          const visit = (output: { readonly address: number }) => {
            gpu.copy(address, output.address, 2 * length);
          };
          await loaded.advanceRounded!(states, { stays: true, visit });
        } else {
          const visit = ({ address: from, type }: DeviceTap) => {
            add({ to: 'targets', first, values: { address: from, type, length }, share: 1 });
          };
          await loaded.show!(states, new Map([[BLOCK_OUTPUT, visit]]));
        }
      }
      await loaded.release();
    }
  } finally {
    for (const { memory } of pieces) gpu.release(memory);
    await runner.release();
  }
}

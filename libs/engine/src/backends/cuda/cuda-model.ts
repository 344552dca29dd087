import { MAX_ROWS, PAGE_POSITIONS, type CudaDecoder } from '@esparse/cuda';
import { sampleToken } from '../../sampling/sample-token.ts';
import type { BackendModel, BatchPart, DeviceFacts, StepOutput, WeightBytes } from '../backend.ts';
import { passesOf, type Row } from './passes.ts';

export interface CudaModelParts {
  readonly decoder: CudaDecoder;
  readonly vocab: number;
  /** Pages of the longest sequence. */
  readonly maxPages: number;
  readonly cache: { readonly pages: number; readonly pageBytes: number };
  readonly weightBytes: WeightBytes;
  readonly facts: DeviceFacts;
}

/** A model on a GPU: a step is cut into passes of `MAX_ROWS` tokens, each a graph of kernels. */
export function createCudaModel({
  decoder,
  vocab,
  maxPages,
  cache,
  weightBytes,
  facts,
}: CudaModelParts): BackendModel {
  const inputs = { values: new Int32Array(MAX_ROWS * (2 + maxPages)), maxPages };

  const fill = (parts: readonly BatchPart[], rows: readonly Row[]) => {
    for (const [row, { part, index }] of rows.entries()) {
      const { sequence, tokens } = parts[part]!;
      inputs.values[row] = tokens[index]!;
      inputs.values[MAX_ROWS + row] = sequence.length + index;
      inputs.values.set(sequence.pages.subarray(0, maxPages), 2 * MAX_ROWS + row * maxPages);
    }
  };

  /** What a row gives to its part; it is the part's last, or one of those of all its logits. */
  const take = (part: BatchPart, row: number, index: number, all: Float32Array | undefined): StepOutput => {
    const { sequence, want } = part;
    if (all !== undefined) {
      decoder.logits(row, all.subarray(index * vocab, (index + 1) * vocab));
      return all;
    }
    if (want === 'token' && sequence.sampler.greedy && sequence.sampling.logprobs === undefined) {
      const token = decoder.greatest(row);
      if (token >= 0) return { token, logprobs: undefined };
    }
    const logits = new Float32Array(vocab);
    decoder.logits(row, logits);
    return want === 'token' ? sampleToken(part, logits) : logits;
  };

  const step = (parts: readonly BatchPart[], signal: AbortSignal | undefined): StepOutput[] => {
    const outputs = parts.map(({ tokens, want }) =>
      want === 'allLogits' ? new Float32Array(tokens.length * vocab) : undefined,
    ) as StepOutput[];
    const all = [...outputs] as (Float32Array | undefined)[];
    for (const rows of passesOf(parts, MAX_ROWS)) {
      signal?.throwIfAborted();
      fill(parts, rows);
      const several = rows.some(({ part }, i) => i > 0 && rows[i - 1]!.part === part);
      decoder.run(
        inputs,
        rows.length,
        several,
        rows.some(({ wanted }) => wanted),
      );
      for (const [row, { part, index, wanted }] of rows.entries()) {
        if (wanted) outputs[part] = take(parts[part]!, row, index, all[part]);
      }
    }
    return outputs;
  };

  return {
    device: facts,
    weightBytes,
    pages: cache.pages,
    pageTokens: PAGE_POSITIONS,
    pageBytes: cache.pageBytes,
    run: (parts, signal) =>
      new Promise((resolve) => {
        resolve(step(parts, signal));
      }),
    close() {
      decoder.close();
      return Promise.resolve();
    },
  };
}

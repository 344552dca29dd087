import { PAGE_TOKENS, type InferenceKernels } from '@esparse/kernels';
import type { ModelDescription } from '@esparse/model';
import { sampleToken } from '../../sampling/sample-token.ts';
import type { BatchPart, BackendModel, StepOutput } from '../backend.ts';
import { createInterpreter } from './interpreter.ts';
import type { KeyValueCache } from './key-value-cache.ts';
import type { ModelWeights } from './model-weights.ts';
import { rotaryTables } from './rotary-tables.ts';
import { StepLayout } from './step-layout.ts';

export interface CpuModelParts {
  readonly description: ModelDescription;
  readonly kernels: InferenceKernels;
  readonly weights: ModelWeights;
  readonly cache: KeyValueCache;
  readonly maxContext: number;
  readonly maxStepTokens: number;
}

const NO_LOGITS = new Float32Array(0);

/** A model on the processor: mapped weights, kernels, and buffers for the largest step. A step is one call. */
export function createCpuModel(parts: CpuModelParts): BackendModel {
  const { description, kernels, weights, cache, maxContext, maxStepTokens } = parts;
  const layout = new StepLayout(maxStepTokens, cache.pages);
  const interpreter = createInterpreter({
    description,
    kernels,
    weights,
    cache,
    rotary: rotaryTables(maxContext),
    layout,
    maxTokens: maxStepTokens,
  });
  const wanted = new Int32Array(maxStepTokens);

  const step = (batch: readonly BatchPart[]): StepOutput[] => {
    layout.fill(batch);
    let count = 0;
    let rows = 0;
    for (const part of batch) {
      interpreter.tokens.set(part.tokens, count);
      const last = count + part.tokens.length;
      for (let row = last - rowsOf(part); row < last; row++) wanted[rows++] = row;
      count = last;
    }
    interpreter.run(count);
    const logits = rows === 0 ? NO_LOGITS : interpreter.logits(wanted, rows);
    let at = 0;
    return batch.map((part) => outputOf(part, logits.subarray(at, (at += rowsOf(part) * description.vocab))));
  };

  return {
    device: { instructionSet: kernels.instructionSet, threads: kernels.threads },
    weightBytes: weights.bytes,
    pages: cache.pages,
    pageTokens: PAGE_TOKENS,
    pageBytes: cache.pageBytes,
    async run(batch) {
      await Promise.resolve(); // whoever asked goes on first
      return step(batch);
    },
    // Mapped files and the cache go when nobody refers to them.
    close: () => Promise.resolve(),
  };
}

/** After how many of a part's tokens logits are computed. */
function rowsOf({ want, tokens }: BatchPart): number {
  if (want === 'nothing') return 0;
  return want === 'allLogits' ? tokens.length : 1;
}

function outputOf(part: BatchPart, logits: Float32Array): StepOutput {
  switch (part.want) {
    case 'nothing':
      return undefined;
    case 'token':
      return sampleToken(part, logits);
    case 'lastLogits':
    case 'allLogits':
      return logits;
  }
}

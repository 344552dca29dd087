import { EsparseError } from '@esparse/errors';
import { openInferenceKernels } from '@esparse/kernels';
import type { Backend } from '../backend.ts';
import { createCpuModel } from './cpu-model.ts';
import { createKeyValueCache } from './key-value-cache.ts';
import { mapWeights } from './model-weights.ts';

const DEFAULT_KV_BYTES = 2 ** 30;

/** The processor: weights are mapped, not read, and all processes that serve the same files share one copy of them. */
export const cpuBackend: Backend = {
  async open(
    { description, arrays },
    { device, threads, maxContext, maxStepTokens, kvBytes = DEFAULT_KV_BYTES, signal },
  ) {
    if (device !== undefined) {
      throw new EsparseError('usage', `there is one processor, and no 'cpu:${device}'`, {
        hint: "use 'cpu'",
      });
    }
    const kernels = openInferenceKernels({ threads });
    const weights = await mapWeights(description, arrays, kernels, signal);
    return createCpuModel({
      description,
      kernels,
      weights,
      cache: createKeyValueCache(description, kvBytes),
      maxContext,
      maxStepTokens,
    });
  },
};

import { CudaDecoder, PAGE_POSITIONS, type GpuFacts } from '@esparse/cuda';
import { EsparseError } from '@esparse/errors';
import type { Backend } from '../backend.ts';
import { createCudaModel } from './cuda-model.ts';
import { decoderProgramOf } from './decoder-program.ts';
import { DecoderWeights } from './load-weights.ts';

/** An NVIDIA GPU: weights are copied to it once, in the order of its tensor cores; nothing is computed elsewhere. */
export const cudaBackend: Backend = {
  // Fewer do not fill the tensor cores.
  stepTokens: 2048,
  async open({ description, arrays }, { device, maxContext, maxStepTokens, kvBytes, signal }) {
    const program = decoderProgramOf(description, maxContext);
    const decoder = new CudaDecoder(ordinalOf(device));
    try {
      const weights = await DecoderWeights.open(arrays, description, program);
      const maxPages = Math.ceil(maxContext / PAGE_POSITIONS);
      decoder.begin(program.shape, maxPages, weights.deviceBytes, maxStepTokens, weights.bits);
      await weights.load(decoder, maxContext, signal);
      const cache = decoder.finish(kvBytes);
      return createCudaModel({
        device: `cuda:${ordinalOf(device)}`,
        decoder,
        vocab: description.vocab,
        maxContext,
        cache,
        weightBytes: weights.bytes,
        facts: {
          ...factsOf(decoder.facts),
          expandedLinears: weights.expanded,
          gpuMemoryBytes: decoder.facts.totalBytes,
          gpuMemoryUsedBytes: decoder.usage().memoryUsed,
          gpuReadBandwidth: decoder.facts.readBandwidth,
        },
      });
    } catch (error) {
      decoder.close();
      throw error;
    }
  },
};

/** @throws EsparseError 'usage' for a device that is no number */
function ordinalOf(device = '0'): number {
  if (/^\d{1,4}$/.test(device)) return Number(device);
  throw new EsparseError('usage', `there is no device 'cuda:${device}'`, {
    hint: 'behind the colon comes the number of a GPU, counted from 0',
  });
}

function factsOf({ name, driverVersion, major, minor }: GpuFacts) {
  const driver = `${Math.floor(driverVersion / 1000)}.${Math.floor((driverVersion % 1000) / 10)}`;
  return { gpu: name, computeCapability: `${major}.${minor}`, cuda: driver };
}

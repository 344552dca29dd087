// RMSNorm of many rows of the residual stream, as bf16, in the order of each linear that reads it.
#pragma once
#include "norm.cuh"
#include "prefill_arguments.h"

namespace esparse {

// Grid (tokens); shared memory: 4 B a channel.
__global__ void __launch_bounds__(kPrefillNormThreads) norm_rows(const __grid_constant__ PrefillNorm args) {
  extern __shared__ __align__(16) float row[];
  __shared__ float squares[kMaxNormRuns];
  release_dependents();
  prefetch_norm(args.input);
  wait_for_producers();
  const float scale = normalise<kPrefillNormThreads>(args.input, blockIdx.x, false, row, squares);
  const int channels = args.input.channels;
  for (int reader = 0; reader < args.reader_count; reader++) {
    const auto& [order, out] = args.readers[reader];
    for (int c = 8 * threadIdx.x; c < channels; c += 8 * kPrefillNormThreads) {
      float x[kChunk];
      if (order != nullptr) {
        gather_chunk(row, scale, __ldg(reinterpret_cast<const uint4*>(order + c)), x);
      } else {
#pragma unroll
        for (int i = 0; i < kChunk; i++) x[i] = row[c + i] * scale;
      }
      Words4 packed;
#pragma unroll
      for (int i = 0; i < 4; i++) packed.word[i] = split(x[2 * i], x[2 * i + 1]).hi;
      *reinterpret_cast<Words4*>(out + static_cast<std::size_t>(blockIdx.x) * channels + c) = packed;
    }
  }
}

}  // namespace esparse

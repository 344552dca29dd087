// RMSNorm of many rows of the residual stream, as bf16, in the order of each linear that reads it.
#pragma once
#include "norm.cuh"
#include "prefill_arguments.h"

namespace esparse {

// Two rows a CTA, whose channels stand beside each other as bf16 when they are put into an order: one access for both.
// Grid (tokens / 2, rounded up); shared memory: 8 B a channel.
__global__ void __launch_bounds__(kPrefillNormThreads) norm_rows(const __grid_constant__ PrefillNorm args) {
  extern __shared__ __align__(16) float row[];
  __shared__ float squares[kMaxNormRuns];
  release_dependents();
  prefetch_norm(args.input);
  wait_for_producers();
  const int channels = args.input.channels, first = 2 * blockIdx.x, second = min(first + 1, args.tokens - 1);
  normalise<kPrefillNormThreads>(args.input, first, false, row, squares);
  const float of_first = norm_factor(args.input, squares);
  __syncthreads();
  normalise<kPrefillNormThreads>(args.input, second, false, row + channels, squares);
  const float of_second = norm_factor(args.input, squares);
  auto* const both = reinterpret_cast<std::uint32_t*>(row);
  for (int c = threadIdx.x; c < channels; c += kPrefillNormThreads) {
    both[c] = split(row[c] * of_first, row[channels + c] * of_second).hi;
  }
  __syncthreads();
  for (int reader = 0; reader < args.reader_count; reader++) {
    const auto& [order, out] = args.readers[reader];
    for (int c = 8 * threadIdx.x; c < channels; c += 8 * kPrefillNormThreads) {
      std::uint32_t pairs[kChunk];
      if (order != nullptr) {
        const uint4 sources = __ldg(reinterpret_cast<const uint4*>(order + c));
#pragma unroll
        for (int i = 0; i < kChunk; i++) pairs[i] = both[reinterpret_cast<const std::uint16_t*>(&sources)[i]];
      } else {
#pragma unroll
        for (int i = 0; i < kChunk; i++) pairs[i] = both[c + i];
      }
      Words4 low, high;
#pragma unroll
      for (int i = 0; i < 4; i++) {
        low.word[i] = __byte_perm(pairs[2 * i], pairs[2 * i + 1], 0x5410);
        high.word[i] = __byte_perm(pairs[2 * i], pairs[2 * i + 1], 0x7632);
      }
      *reinterpret_cast<Words4*>(out + static_cast<std::size_t>(first) * channels + c) = low;
      if (second != first) *reinterpret_cast<Words4*>(out + static_cast<std::size_t>(second) * channels + c) = high;
    }
  }
}

}  // namespace esparse

// Softmax over keys that come block after block, of a warp that has 16 queries: lane l has the scores of queries l / 4 and
// l / 4 + 8 with keys 8 j + 2 (l % 4) and the next, four of each j, as the tensor cores' products leave them.
#pragma once
#include "device.cuh"
#include "prefill_arguments.h"

namespace esparse {

// Scores of keys behind a query, or before its window, are left out. `first_query`, `first_key`: the positions of the warp's
// first query and of the block's first key.
template <int kKeys>
__device__ __forceinline__ void mask_scores(float (&scores)[kKeys / 2], const PrefillAttention& args, int first_query,
                                            int first_key) {
  const int lane = threadIdx.x % kLanes;
  const bool begins = args.window > 0 && first_key <= first_query + 15 - args.window;
  if (first_key + kKeys - 1 > first_query || begins) {
#pragma unroll
    for (int i = 0; i < kKeys / 2; i++) {
      const int key = first_key + i / 4 * 8 + lane % 4 * 2 + i % 2, query = first_query + lane / 4 + i / 2 % 2 * 8;
      if (key > query || (args.window > 0 && key <= query - args.window)) scores[i] = -INFINITY;
    }
  }
}

// Of the lane's two queries.
struct OnlineSoftmax {
  float scale;  // of scores, for powers of 2
  float maxima[2] = {-INFINITY, -INFINITY}, sums[2] = {};
  float kept[2] = {};  // what the last block leaves of the sums before it

  // Scores into weights, relative to the greatest score so far.
  template <int kKeys>
  __device__ __forceinline__ void settle(float (&scores)[kKeys / 2]) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      float maximum = maxima[half];
#pragma unroll
      for (int i = 0; i < kKeys / 8; i++) {
        maximum = fmaxf(maximum, fmaxf(scores[4 * i + 2 * half], scores[4 * i + 2 * half + 1]));
      }
      maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, 1));
      maximum = fmaxf(maximum, __shfl_xor_sync(~0u, maximum, 2));
      // A block may be before a query's window as a whole.
      const float reference = maximum == -INFINITY ? 0 : maximum;
      kept[half] = power_of_2((maxima[half] - reference) * scale);
      maxima[half] = maximum;
      const float offset = -reference * scale;
      float sum = 0;
#pragma unroll
      for (int i = 0; i < kKeys / 8; i++) {
#pragma unroll
        for (int j = 4 * i + 2 * half; j < 4 * i + 2 * half + 2; j++) {
          scores[j] = power_of_2(fmaf(scores[j], scale, offset));
          sum += scores[j];
        }
      }
      sums[half] = fmaf(sums[half], kept[half], sum);
    }
  }
  // The sum of a query's weights.
  __device__ __forceinline__ float total(int half) const {
    float sum = sums[half];
    sum += __shfl_xor_sync(~0u, sum, 1);
    sum += __shfl_xor_sync(~0u, sum, 2);
    return sum;
  }
};

// Weights as the first operand of products with values, 16 keys each.
template <int kKeys>
__device__ __forceinline__ void pack_weights(Words4 (&weights)[kKeys / 16], const float (&scores)[kKeys / 2]) {
#pragma unroll
  for (int step = 0; step < kKeys / 16; step++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const float* two = &scores[8 * step + i / 2 * 4 + i % 2 * 2];
      const __nv_bfloat162 rounded = __floats2bfloat162_rn(two[0], two[1]);
      weights[step].word[i] = reinterpret_cast<const std::uint32_t&>(rounded);
    }
  }
}

// A warp's queries as the first operand of products with keys: those of a tile from `first` on, beyond which zeros stand.
template <int kDims>
__device__ __forceinline__ void load_queries(Words4 (&queries)[kDims / 16], const PrefillAttention& args,
                                             const QueryTile& tile, int first, int head) {
  const int lane = threadIdx.x % kLanes, width = (args.heads + 2 * args.kv_heads) * kDims;
#pragma unroll
  for (int step = 0; step < kDims / 16; step++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const int query = first + lane / 4 + i % 2 * 8, dim = step * 16 + i / 2 * 8 + lane % 4 * 2;
      const std::uint16_t* from =
          args.qkv + static_cast<std::size_t>(tile.first_row + query) * width + head * kDims + dim;
      queries[step].word[i] = query < tile.rows ? *reinterpret_cast<const std::uint32_t*>(from) : 0;
    }
  }
}

// Writes a warp's outputs, which are still to be divided by the sums of the weights.
template <int kDims>
__device__ __forceinline__ void store_outputs(const PrefillAttention& args, const QueryTile& tile, int first, int head,
                                              const float (&outputs)[kDims / 2], const OnlineSoftmax& softmax) {
  const int lane = threadIdx.x % kLanes;
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const float sum = softmax.total(half);
    const int query = first + lane / 4 + half * 8;
    if (query >= tile.rows) continue;
    std::uint16_t* const out =
        args.out + (static_cast<std::size_t>(tile.first_row + query) * args.heads + head) * kDims + lane % 4 * 2;
    const float factor = 1 / sum;
#pragma unroll
    for (int eight = 0; eight < kDims / 8; eight++) {
      const float* two = &outputs[4 * eight + 2 * half];
      *reinterpret_cast<__nv_bfloat162*>(out + eight * 8) = __floats2bfloat162_rn(two[0] * factor, two[1] * factor);
    }
  }
}

}  // namespace esparse

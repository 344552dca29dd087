// The norms of q and k that attention does not make by itself: over all heads together, or of heads that have other than 64 or
// 128 channels. What it gives attention is one plane, biases added.
#pragma once
#include "planes.cuh"

namespace esparse {

// Grid (groups of q, of k, and one of all of v; tokens): a CTA takes one group of channels.
__global__ void __launch_bounds__(kNormHeadsThreads) norm_heads(const __grid_constant__ NormHeadsArguments args) {
  __shared__ float of_warp[kNormHeadsThreads / kLanes];
  const int group = blockIdx.x, token = blockIdx.y, of_q = args.groups[0], of_k = args.groups[1];
  const bool is_query = group < of_q, is_key = !is_query && group < of_q + of_k;
  const int width = is_query ? args.rows[0] / of_q : is_key ? args.rows[1] / of_k : args.rows[1];
  const int first = is_query ? group * width : args.rows[0] + (is_key ? (group - of_q) * width : args.rows[1]);
  const float* const weight = is_query ? args.weight[0] : args.weight[1];
  const int counted = is_query ? args.counted[0] : args.counted[1];
  float* const out = args.out + static_cast<std::size_t>(token) * args.qkv.rows + first;
  release_dependents();
  wait_for_producers();
  float square = 0;
  for (int c = threadIdx.x; c < width; c += kNormHeadsThreads) {
    float x = args.qkv.sum(token, first + c);
    if (args.bias != nullptr) x += args.bias[first + c];
    out[c] = x;
    square = fmaf(x, x, square);
  }
  if (!is_query && !is_key) return;
  square = sum_of_lanes(square);
  if (threadIdx.x % kLanes == 0) of_warp[threadIdx.x / kLanes] = square;
  __syncthreads();
  const float factor = 1 / sqrtf(tree_sum<kNormHeadsThreads / kLanes>(of_warp, 1) / counted + args.epsilon);
  for (int c = threadIdx.x; c < width; c += kNormHeadsThreads) out[c] = out[c] * factor * weight[c];
}

}  // namespace esparse

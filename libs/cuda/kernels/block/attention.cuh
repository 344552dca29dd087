// The softmax between the two matrix products of causal attention.
#pragma once
#include "gpu.cuh"

namespace esparse {

// Of `heads` matrices of scores, (rows x keys) each with `stride` elements from row to row: row r is the query at position
// `first_row` + r, column c the key at `first_key` + c. A row sees the keys up to its own position, `window` of them at
// most. `sinks` (or null) has a number for each head, `sink_step` apart, that takes part in the sum. Shares of what is not seen are zero.
// A warp each. Grid (rows of all heads, in blocks' warps, rounded up).
ESPARSE_KERNEL causal_softmax(const float* scores, std::uint16_t* shares, const float* sinks, int sink_step, int heads,
                              int rows, int keys, long long stride, int first_row, int first_key, int window) {
  const long long row = static_cast<long long>(blockIdx.x) * (blockDim.x / kWarp) + threadIdx.x / kWarp;
  if (row >= static_cast<long long>(heads) * rows) return;  // whole warps
  const int lane = threadIdx.x % kWarp, head = static_cast<int>(row / rows);
  const int position = first_row + static_cast<int>(row % rows);
  const int end = position + 1 - first_key < keys ? position + 1 - first_key : keys;
  const int seen = position + 1 - window - first_key, begin = seen > 0 ? seen : 0;
  const float* const from = scores + row * stride;
  std::uint16_t* const to = shares + row * stride;
  float largest = sinks != nullptr ? sinks[head * sink_step] : -INFINITY;
  for (int c = begin + lane; c < end; c += kWarp) largest = from[c] > largest ? from[c] : largest;
  largest = warp_max(largest);
  float sum = 0;
  for (int c = begin + lane; c < end; c += kWarp) sum += expf(from[c] - largest);
  sum = warp_sum(sum);
  if (sinks != nullptr) sum += expf(sinks[head * sink_step] - largest);
  const float factor = 1 / sum;
  for (int c = lane; c < keys; c += kWarp) {
    to[c] = c >= begin && c < end ? rounded(expf(from[c] - largest) * factor) : 0;
  }
}

}  // namespace esparse

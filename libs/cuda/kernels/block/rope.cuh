// Rotary position embedding, half-split: of each head the first 2 * half channels turn, those behind them stay.
#pragma once
#include "gpu.cuh"

namespace esparse {

// (a, b) becomes (a cos - b sin, b cos + a sin). A thread makes a pair, or two of the channels that stay. `tables` is
// (tokens x half) of cosines, then of sines; a row's position is its number within its sequence of `tokens` rows. `sign` is 1,
// or -1 to turn back. Grid (rows; pairs of a row, rounded up): of a long sequence there are more rows than a grid may have in y.
ESPARSE_KERNEL turn_heads(const void* in, int in_type, void* out, int out_type, const float* cosines, const float* sines,
                          int tokens, int heads, int dims, int half, float sign) {
  const int pair = blockIdx.y * blockDim.x + threadIdx.x;
  if (pair >= heads * dims / 2) return;
  const int head = pair / (dims / 2), j = pair % (dims / 2);
  const std::size_t first = static_cast<std::size_t>(blockIdx.x) * heads * dims + head * dims;
  if (j >= half) {
    const std::size_t still = first + 2 * j;
    for (int i = 0; i < 2; i++) store(out, out_type, still + i, load(in, in_type, still + i));
    return;
  }
  const std::size_t angle = static_cast<std::size_t>(blockIdx.x % tokens) * half + j;
  const float cosine = cosines[angle], sine = sign * sines[angle];
  const float a = load(in, in_type, first + j), b = load(in, in_type, first + half + j);
  store(out, out_type, first + j, a * cosine - b * sine);
  store(out, out_type, first + half + j, b * cosine + a * sine);
}

}  // namespace esparse

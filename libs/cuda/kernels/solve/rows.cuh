// Rows of a linear as they come, 16-bit weights and a mask of bits in the shuffled order, and as they go.
#pragma once
#include "halves.cuh"

namespace esparse::solve {

// Weights in bf16, or in f16, as f32.
ESPARSE_KERNEL rows_widen(const std::uint16_t* bits, int is_half, float* to, std::size_t count) {
  const std::size_t i = own_index();
  if (i < count) to[i] = is_half ? of_half(bits[i]) : widened(bits[i]);
}

// And back, to the nearest.
ESPARSE_KERNEL rows_narrow(const float* from, int is_half, std::uint16_t* bits, std::size_t count) {
  const std::size_t i = own_index();
  if (i < count) bits[i] = is_half ? half_of(from[i]) : rounded(from[i]);
}

// 1 where a weight survives, in the original order: `mask` has a bit for each position. Grid: (cols / threads, rounded up; rows).
ESPARSE_KERNEL rows_kept(const std::uint8_t* mask, const int* permutation, std::uint8_t* kept, int cols) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const std::size_t row = blockIdx.y, bytes = (cols + 7) / 8;
  if (i < cols) kept[row * cols + permutation[i]] = mask[row * bytes + i / 8] >> (i % 8) & 1;
}

// The mask of the `keep` largest of each group, of equal ones those of the first channels; and what it keeps, where that is asked for. A thread has a byte of the
// mask. Grid: (bytes of a row / threads, rounded up; rows).
ESPARSE_KERNEL rows_mask(const float* weights, const int* permutation, std::uint8_t* mask, std::uint8_t* kept, int cols,
                         int keep, int group) {
  const int byte = blockIdx.x * blockDim.x + threadIdx.x, bytes = (cols + 7) / 8;
  if (byte >= bytes) return;
  const std::size_t row = blockIdx.y;
  const float* const w = weights + row * cols;
  unsigned bits = 0;
  for (int i = 8 * byte; i < cols && i < 8 * byte + 8; i++) {
    const int channel = permutation[i], first = i - i % group;
    const float own = fabsf(w[channel]);
    int before = 0;
    for (int o = first; o < first + group; o++) {
      const int other = permutation[o];
      const float size = fabsf(w[other]);
      before += other != channel && (size > own || (size == own && other < channel)) ? 1 : 0;
    }
    const bool keeps = before < keep;
    if (kept != nullptr) kept[row * cols + channel] = keeps ? 1 : 0;
    bits |= static_cast<unsigned>(keeps) << (i % 8);
  }
  mask[row * bytes + byte] = static_cast<std::uint8_t>(bits);
}

}  // namespace esparse::solve

// A number for each row that decides whether it is in the sample of a tap's rows, as `drawOf` of @esparse/statistics makes it
// (the mixing of MurmurHash3): of the first values of the row that are not 0.
#pragma once
#include "../block/gpu.cuh"

namespace esparse {

constexpr int kHashedValues = 8;

__device__ inline std::uint32_t turned_left(std::uint32_t word, int bits) { return word << bits | word >> (32 - bits); }

// draws: u32 (rows). A thread has a row.
ESPARSE_KERNEL row_draws(const void* tile, int type, int rows, int channels, std::uint32_t* draws) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  const std::size_t at = static_cast<std::size_t>(row) * channels;
  std::uint32_t hash = static_cast<std::uint32_t>(channels);
  for (int c = 0, left = kHashedValues; c < channels && left > 0; c++) {
    const std::uint32_t bits = bits_of(load(tile, type, at + c));
    if (bits == 0) continue;
    left--;
    hash ^= turned_left(bits * 0xcc9e2d51u, 15) * 0x1b873593u;
    hash = turned_left(hash, 13) * 5 + 0xe6546b64u;
  }
  hash = (hash ^ hash >> 16) * 0x85ebca6bu;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
  draws[row] = hash ^ hash >> 16;
}

}  // namespace esparse

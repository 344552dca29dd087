// Dense matrices of packed ones, bf16 both: src/runtime/packed-layout.ts of @esparse/kernels says how they are packed.
#pragma once
#include "gpu.cuh"

namespace esparse {

constexpr int kRowsOfTile = 16;

__device__ inline int ones_in(unsigned bits) {
  int count = 0;
  for (; bits != 0; bits &= bits - 1) count++;
  return count;
}

// Where a row of a group has its values, position by position; -1 where it has none.
struct PackedRow {
  const std::uint16_t* values;
  const std::uint8_t* indices;
  int row, keep, group, bits;

  // Calls put(position, value) for each that is kept, ascending; @returns whether `pack` may have written it.
  template <class Put>
  __device__ bool each(const Put& put) const {
    unsigned kept = 0;
    if (bits == 0) {
      for (int m = 0, before = 0; m < group; m++) {
        const unsigned rows = indices[2 * m] | static_cast<unsigned>(indices[2 * m + 1]) << 8;
        if (rows >> row & 1) {
          const int at = before + ones_in(rows & ((1u << row) - 1));
          if (at >= kRowsOfTile * keep) return false;
          put(m, values[at]);
          kept |= 1u << m;
        }
        before += ones_in(rows);
      }
      return ones_in(kept) == keep;
    }
    const int bytes = 2 * bits * keep;
    for (int slot = 0; slot < keep; slot++) {
      const int bit = (slot * kRowsOfTile + row) * bits, byte = bit / 8;
      const unsigned word = indices[byte] | (byte + 1 < bytes ? static_cast<unsigned>(indices[byte + 1]) << 8 : 0u);
      const unsigned m = word >> (bit % 8) & ((1u << bits) - 1);
      // One not above those before it would be lost or taken twice.
      if (static_cast<int>(m) >= group || kept >> m != 0) return false;
      put(static_cast<int>(m), values[slot * kRowsOfTile + row]);
      kept |= 1u << m;
    }
    return true;
  }
};

// (rows, cols), in the original order of the channels; `wrong` becomes 1 where the packed matrix is none. `dense` is zeros before. A
// thread has a row of a group. Grid: (16 groups / threads, rounded up; tiles).
ESPARSE_KERNEL unpack_matrix(const std::uint16_t* values, const std::uint8_t* indices, const int* order,
                             std::uint16_t* dense, int rows, int cols, int keep, int group, int bits, int* wrong) {
  const int item = blockIdx.x * blockDim.x + threadIdx.x, g = item / kRowsOfTile, r = item % kRowsOfTile;
  const int groups = cols / group, row = blockIdx.y * kRowsOfTile + r;
  if (g >= groups) return;
  const std::size_t index = static_cast<std::size_t>(blockIdx.y) * groups + g;
  const PackedRow packed{values + index * kRowsOfTile * keep, indices + index * 2 * (bits == 0 ? group : bits * keep), r,
                         keep, group, bits};
  const bool right = packed.each([&](int m, std::uint16_t value) {
    if (row < rows) dense[static_cast<std::size_t>(row) * cols + order[g * group + m]] = value;
    // Rows that fill the last tile up keep the first positions, all zero.
    else if (value != 0 || m >= keep) *wrong = 1;
  });
  if (!right) *wrong = 1;
}

}  // namespace esparse

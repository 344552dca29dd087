// A tap's activations column by column: a thread has eight channels, side by side, of `kRowsAtOnce` rows. Grid (eights of
// channels, in blocks of threads; rows, in pieces).
#pragma once
#include "../block/gpu.cuh"

namespace esparse {

constexpr int kRowsAtOnce = 32;

// Adding it and taking it off rounds an f64 to a whole number.
constexpr double kRoundToOne = 1.5 * 4503599627370496.0;

// Calls work(row, values) for the rows of this thread, and gives its first channel; -1 where it has none.
template <class Work>
__device__ inline int each_row(const void* tile, int type, int rows, int channels, const Work& work) {
  const int eight = blockIdx.x * blockDim.x + threadIdx.x, eights = channels / 8;
  if (eight >= eights) return -1;
  const int first = blockIdx.y * kRowsAtOnce;
  const int end = first + kRowsAtOnce < rows ? first + kRowsAtOnce : rows;
  for (int row = first; row < end; row++) work(load_eight(tile, type, static_cast<std::size_t>(row) * eights + eight));
  return 8 * eight;
}

// The bits of an f32, mapped so that integers order as the floats do; its own inverse. NaN lies beyond infinity.
__device__ inline int ordered(float value) {
  const int bits = static_cast<int>(bits_of(value));
  return bits ^ (bits >> 31 & 0x7fffffff);
}
__device__ inline float from_ordered(int order) {
  return float_of(static_cast<std::uint32_t>(order ^ (order >> 31 & 0x7fffffff)));
}

}  // namespace esparse

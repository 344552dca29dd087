// The mean squared error, and what it gives back. The differences' squares are added up row by row, then the rows, in f32, always in
// the same order.
#pragma once
#include "values.cuh"

namespace esparse::tune {

// Of each row the mean of its squared differences, with `relative` over that of the target's squares; and, unless `to` is none, `scale` (output - target), the gradient, over the same. A warp a row.
ESPARSE_KERNEL tune_loss(const void* output, int output_type, const float* target, float scale, void* to, int to_type,
                         float* of_rows, int relative, int rows, int eights) {
  const auto [row, lane] = own_row();
  if (row >= rows) return;
  const std::size_t first = static_cast<std::size_t>(row) * eights;
  float weight = 1;
  if (relative) {
    float size = 0;
    for (int i = lane; i < eights; i += kWarp) {
      const Eight t = load_eight(target, kF32, first + i);
      for (int k = 0; k < 8; k++) size += t.of[k] * t.of[k];
    }
    weight = 1 / (warp_sum(size) / (8 * eights) + 1e-12f);
  }
  float squares = 0;
  for (int i = lane; i < eights; i += kWarp) {
    Eight v = load_eight(output, output_type, first + i);
    const Eight t = load_eight(target, kF32, first + i);
    for (int k = 0; k < 8; k++) {
      v.of[k] -= t.of[k];
      squares += v.of[k] * v.of[k];
      v.of[k] *= scale * weight;
    }
    if (to != nullptr) store_eight(to, to_type, first + i, v);
  }
  squares = warp_sum(squares) / (8 * eights) * weight;
  if (lane == 0) of_rows[row] = squares;
}

// The mean of the rows' at `losses[*step * stride + place]`. One block.
ESPARSE_KERNEL tune_loss_sum(const float* of_rows, int rows, float* losses, const int* step, int stride, int place) {
  __shared__ float shared[kThreads];
  float sum = 0;
  for (int row = threadIdx.x; row < rows; row += kThreads) sum += of_rows[row];
  shared[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  float all = 0;
  for (int i = 0; i < kThreads; i++) all += shared[i];
  losses[static_cast<std::size_t>(*step) * stride + place] = all / rows;
}

}  // namespace esparse::tune

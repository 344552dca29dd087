// Masks chosen anew, group by group, within a block of columns: `groupDescentReference` of @esparse/kernels computes the same.
#pragma once
#include "matrices.cuh"

namespace esparse::solve {

// Of a group, at most: see `kMaxGroup` of the processor's kernels.
constexpr int kMostOfGroup = 32;
constexpr int kDescentThreads = 256, kDescentRows = kDescentThreads / kWarp;

// How to keep N of M: places (choices, keep), and for each group and choice the inverse of what it keeps of the Hessian, (keep, keep).
struct Choices {
  const int* places;
  const double* inverses;
  int choices, keep, group;
};

// The best weights of a group: x maximises rhs · x, of all choices.
__device__ inline void best_choice(const Choices& of, const double* inverse, const double* rhs, float* best) {
  double most = -HUGE_VAL;
  for (int a = 0; a < of.group; a++) best[a] = 0;
  for (int k = 0; k < of.choices; k++, inverse += of.keep * of.keep) {
    const int* const places = of.places + k * of.keep;
    double gain = 0;
    for (int i = 0; i < of.keep; i++) {
      double x = 0;
      for (int j = 0; j < of.keep; j++) x += inverse[i * of.keep + j] * rhs[places[j]];
      gain += x * rhs[places[i]];
    }
    if (!(gain > most)) continue;
    most = gain;
    for (int a = 0; a < of.group; a++) best[a] = 0;
    for (int i = 0; i < of.keep; i++) {
      double x = 0;
      for (int j = 0; j < of.keep; j++) x += inverse[i * of.keep + j] * rhs[places[j]];
      best[places[i]] = static_cast<float>(x);
    }
  }
}

// The rows of H for a block of columns, damped, (width, cols), and their columns of the block, (width, width). Grid: (cols /
// threads, rounded up; width).
ESPARSE_KERNEL descent_rows(const float* hessian, const int* channels, float damping, float* rows, int cols) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= cols) return;
  const int channel = channels[blockIdx.y];
  const float value = hessian[static_cast<std::size_t>(channel) * cols + column];
  rows[static_cast<std::size_t>(blockIdx.y) * cols + column] = column == channel ? value + damping : value;
}

// One descent of the groups of a block of columns, in each row: `sparse` changes, `step` (rows, width) is by how much. A warp has a row.
ESPARSE_KERNEL descent_step(float* sparse, const float* gradient, float* step, const int* channels, const float* block_rows,
                            const int* places, const double* inverses, int rows, int cols, int width, int keep, int group,
                            int choices) {
  ESPARSE_DYNAMIC_SHARED(float, shared);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, row = blockIdx.x * kDescentRows + warp;
  if (row >= rows) return;
  float* const w = shared + 2 * warp * width;
  float* const g = w + width;
  const std::size_t at = static_cast<std::size_t>(row) * cols;
  for (int i = lane; i < width; i += kWarp) {
    w[i] = sparse[at + channels[i]];
    g[i] = gradient[at + channels[i]];
  }
  __syncwarp();
  const Choices of{places, inverses, choices, keep, group};
  for (int c = 0; c < width; c += group) {
    double rhs[kMostOfGroup];
    float best[kMostOfGroup];
    for (int a = 0; a < group; a++) {
      double sum = -static_cast<double>(g[c + a]);
      for (int b = 0; b < group; b++) {
        sum += static_cast<double>(w[c + b]) * block_rows[static_cast<std::size_t>(c + b) * cols + channels[c + a]];
      }
      rhs[a] = sum;
    }
    best_choice(of, inverses + static_cast<std::size_t>(c / group) * choices * keep * keep, rhs, best);
    __syncwarp();
    for (int a = 0; a < group; a++) {
      const float change = best[a] - w[c + a];
      __syncwarp();
      if (lane == 0) w[c + a] = best[a];
      if (change == 0) continue;
      const float* const hessian = block_rows + static_cast<std::size_t>(c + a) * cols;
      for (int j = lane; j < width; j += kWarp) g[j] += change * hessian[channels[j]];
    }
    __syncwarp();
  }
  for (int i = lane; i < width; i += kWarp) {
    float& before = sparse[at + channels[i]];
    step[static_cast<std::size_t>(row) * width + i] = w[i] - before;
    before = w[i];
  }
}

// gradient = image + damping difference - shift, where `difference` is what the weights have come to less the dense ones.
ESPARSE_KERNEL descent_gradient(float* image, const float* difference, const float* shift, double damping,
                                std::size_t count) {
  const std::size_t i = own_index();
  if (i >= count) return;
  const double less = shift == nullptr ? 0 : static_cast<double>(shift[i]);
  image[i] = static_cast<float>(image[i] + damping * difference[i] - less);
}

ESPARSE_KERNEL descent_difference(const float* sparse, const float* weights, float* difference, std::size_t count) {
  const std::size_t i = own_index();
  if (i < count) difference[i] = sparse[i] - weights[i];
}

}  // namespace esparse::solve

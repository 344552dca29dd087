// Masks chosen anew, group by group, within a block of columns: `groupDescentReference` of @esparse/kernels computes the same.
#pragma once
#include "matrices.cuh"

namespace esparse::solve {

// Of a group, at most: see `kMaxGroup` of the processor's kernels.
constexpr int kMostOfGroup = 32;
constexpr int kDescentThreads = 256, kDescentRows = kDescentThreads / kWarp;

// The inverse of what each choice keeps of each group's damped Hessian, (groups, choices, keep, keep), by Gauss-Jordan elimination where
// it is to lie. `channels`: those of all groups; `places`: (choices, keep), those in the group. `failed` becomes 1 where a pivot is not
// positive. A thread has a choice of a group.
ESPARSE_KERNEL descent_inverses(const float* hessian, const int* channels, const int* places, double damping,
                                double* inverses, int cols, int keep, int group, int choices, int* failed) {
  const std::size_t i = own_index();
  if (i >= static_cast<std::size_t>(cols / group) * choices) return;
  const int* const of = channels + i / choices * group;
  const int* const kept = places + i % choices * keep;
  double* const a = inverses + i * keep * keep;
  for (int r = 0; r < keep; r++) {
    for (int c = 0; c < keep; c++) {
      a[r * keep + c] = hessian[static_cast<std::size_t>(of[kept[r]]) * cols + of[kept[c]]] + (r == c ? damping : 0);
    }
  }
  for (int k = 0; k < keep; k++) {
    const double pivot = a[k * keep + k];
    if (!(pivot > 0 && pivot < HUGE_VAL)) atomicMax(failed, 1);
    a[k * keep + k] = 1;
    for (int c = 0; c < keep; c++) a[k * keep + c] /= pivot;
    for (int r = 0; r < keep; r++) {
      if (r == k) continue;
      const double factor = a[r * keep + k];
      a[r * keep + k] = 0;
      for (int c = 0; c < keep; c++) a[r * keep + c] -= factor * a[k * keep + c];
    }
  }
}

// The rows of H for a block of columns, damped: (width, cols); and their columns of the block, (width, width). Grid: (cols / threads,
// rounded up; width).
ESPARSE_KERNEL descent_rows(const float* hessian, const int* channels, float damping, float* rows, float* square,
                            int cols, int width) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x, i = blockIdx.y;
  if (column >= cols) return;
  const int channel = channels[i];
  const float* const from = hessian + static_cast<std::size_t>(channel) * cols;
  const float value = from[column];
  rows[static_cast<std::size_t>(i) * cols + column] = column == channel ? value + damping : value;
  if (column < width) square[i * width + column] = from[channels[column]] + (i == column ? damping : 0);
}

// What a lane has found.
struct Choice {
  double gain;
  int index;
};

// The largest gain of a warp's lanes, of equal ones the first choice; all get it.
__device__ inline Choice best_of(Choice own) {
  for (int apart = kWarp / 2; apart > 0; apart /= 2) {
    const double gain = __shfl_xor_sync(kAllLanes, own.gain, apart);
    const int index = __shfl_xor_sync(kAllLanes, own.index, apart);
    if (gain > own.gain || (gain == own.gain && index < own.index)) own = {gain, index};
  }
  return own;
}

// Row i of a choice's inverse times what the choice keeps of the right-hand side.
__device__ inline double weight_of(const double* inverse, const int* places, const double* rhs, int i, int keep) {
  double x = 0;
  for (int j = 0; j < keep; j++) x += inverse[i * keep + j] * rhs[places[j]];
  return x;
}

// One descent of the groups of a block of columns, in each row: `sparse` changes, `step` (rows, width) is by how much. The best weights x
// of a group maximise rhs · x, of all choices; a lane has every 32nd of these. A warp has a row, and a block of threads in its shared
// memory the block's part of H, `square`, then of each row w, g, and what the best choice is.
ESPARSE_KERNEL descent_step(float* sparse, const float* gradient, float* step, const int* channels, const float* square,
                            const int* places, const double* inverses, int rows, int cols, int width, int keep,
                            int group, int choices) {
  ESPARSE_DYNAMIC_SHARED(float, shared);
  __shared__ double sides[kDescentRows][kMostOfGroup];
  __shared__ float found[kDescentRows][kMostOfGroup];
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, row = blockIdx.x * kDescentRows + warp;
  for (int i = threadIdx.x; i < width * width; i += blockDim.x) shared[i] = square[i];
  __syncthreads();
  if (row >= rows) return;
  float* const w = shared + width * width + 2 * warp * width;
  float* const g = w + width;
  double* const rhs = sides[warp];
  float* const best = found[warp];
  const std::size_t at = static_cast<std::size_t>(row) * cols;
  for (int i = lane; i < width; i += kWarp) {
    w[i] = sparse[at + channels[i]];
    g[i] = gradient[at + channels[i]];
  }
  __syncwarp();
  for (int c = 0; c < width; c += group) {
    if (lane < group) {
      double sum = -static_cast<double>(g[c + lane]);
      for (int b = 0; b < group; b++) sum += static_cast<double>(w[c + b]) * shared[(c + b) * width + c + lane];
      rhs[lane] = sum;
      best[lane] = 0;
    }
    __syncwarp();
    const double* const of_group = inverses + static_cast<std::size_t>(c / group) * choices * keep * keep;
    Choice own{-HUGE_VAL, choices};
    for (int k = lane; k < choices; k += kWarp) {
      double gain = 0;
      for (int i = 0; i < keep; i++) {
        gain += weight_of(of_group + k * keep * keep, places + k * keep, rhs, i, keep) * rhs[places[k * keep + i]];
      }
      if (gain > own.gain) own = {gain, k};
    }
    const Choice chosen = best_of(own);
    for (int i = lane; chosen.index < choices && i < keep; i += kWarp) {
      const int* const kept = places + chosen.index * keep;
      best[kept[i]] = static_cast<float>(weight_of(of_group + chosen.index * keep * keep, kept, rhs, i, keep));
    }
    __syncwarp();
    for (int j = lane; j < width; j += kWarp) {
      float sum = g[j];
      for (int a = 0; a < group; a++) sum += (best[a] - w[c + a]) * shared[(c + a) * width + j];
      g[j] = sum;
    }
    __syncwarp();
    if (lane < group) w[c + lane] = best[lane];
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

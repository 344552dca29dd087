// Scores of weights, and what a shuffle asks of them: native/pruning/score.cc and kept_score.cc of @esparse/kernels say what they
// compute; here are the same sums in the same order, so the same bits.
#pragma once
#include "halves.cuh"
#include "swap_search.cuh"

namespace esparse::solve {

// Rows that are read before the first of them is added, and groups of a row whose sums wait to be added.
constexpr int kRowsAhead = 32, kGroupsWaiting = 1024;

// |W| times what its channel counts; `unsound` becomes 1 where that is no finite number from 0. Grid: (cols / threads, rounded up;
// rows).
ESPARSE_KERNEL scores_by_channel(const std::uint16_t* bits, int is_half, const float* importance, float* scores, int* unsound,
                                 int cols) {
  const int j = blockIdx.x * blockDim.x + threadIdx.x;
  if (j >= cols) return;
  const std::size_t i = static_cast<std::size_t>(blockIdx.y) * cols + j;
  const std::uint16_t size = bits[i] & 0x7fffu;
  const float score = (is_half ? of_half(size) : widened(size)) * importance[j];
  scores[i] = score;
  if (!(score >= 0.0f && score < HUGE_VALF)) *unsound = 1;
}

// The mean of each channel, rows added in order. Grid: cols / threads, rounded up.
ESPARSE_KERNEL scores_means(const float* scores, double* means, int rows, int cols) {
  const int j = blockIdx.x * blockDim.x + threadIdx.x;
  if (j >= cols) return;
  double sum = 0;
  for (int r = 0; r < rows; r += kRowsAhead) {
    float ahead[kRowsAhead];
    for (int i = 0; i < kRowsAhead; i++) {
      ahead[i] = r + i < rows ? scores[static_cast<std::size_t>(r + i) * cols + j] : 0.0f;
    }
    for (int i = 0; i < kRowsAhead; i++) sum += static_cast<double>(ahead[i]);
  }
  means[j] = sum / static_cast<double>(rows);
}

// What the `keep` largest of a group add up to, the largest first.
__device__ inline double kept_of_group(const float* row, const int* order, int keep, int group) {
  float top[kSwapGroup];
  for (int s = 0; s < keep; s++) top[s] = -HUGE_VALF;
  for (int m = 0; m < group; m++) {
    float value = row[order[m]];
    for (int s = 0; s < keep; s++) {
      const float held = top[s];
      top[s] = value > held ? value : held;
      value = value > held ? held : value;
    }
  }
  double kept = 0;
  for (int s = 0; s < keep; s++) kept += static_cast<double>(top[s]);
  return kept;
}

// What a mask keeps of each row, groups added in order. Grid: rows.
ESPARSE_KERNEL scores_kept(const float* scores, const int* order, double* kept, int cols, int keep, int group) {
  __shared__ double waiting[kGroupsWaiting];
  const std::size_t row = blockIdx.x;
  const int groups = cols / group;
  double sum = 0;
  for (int first = 0; first < groups; first += kGroupsWaiting) {
    const int count = groups - first < kGroupsWaiting ? groups - first : kGroupsWaiting;
    for (int g = threadIdx.x; g < count; g += blockDim.x) {
      waiting[g] = kept_of_group(scores + row * cols, order + (first + g) * group, keep, group);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      for (int g = 0; g < count; g++) sum += waiting[g];
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) kept[row] = sum;
}

}  // namespace esparse::solve

// The local block shuffle: native/pruning/swap_search.cc of @esparse/kernels says what it computes; here are the same sums in the
// same order, so the same bits. All blocks of channels take a swap at a time, each its own, until none gains.
#pragma once
#include "matrices.cuh"

namespace esparse::solve {

// The most channels of a block, and floats of a row of its panel; rows whose f32 sum is added to the f64 total at once.
constexpr int kSwapWidth = 256, kPartialRows = 64;
// Channels of a group at most, and positions that are measured together.
constexpr int kSwapGroup = 16, kPositions = 8;
// Numbers that are read before the first of them is added: memory is far.
constexpr int kNoPartner = kSwapWidth, kPartsAhead = 32, kPanelAhead = 16;

// Of the block of channels that a block of threads works on.
struct SwapBlock {
  int index, first, width;
  __device__ SwapBlock(int index, int cols, int block) : index(index), first(index * block) {
    width = cols - first < block ? cols - first : block;
  }
  __device__ int slot(int position) const { return index * kSwapWidth + position; }
  __device__ std::size_t d(int position, int slot) const {
    return (static_cast<std::size_t>(index) * kSwapWidth + position) * kSwapWidth + slot;
  }
};

// The groups that are measured: two that follow one another, or those that the last swap has changed.
__device__ inline int measured_group(int which, int first, const int* touched, int block) {
  return first >= 0 ? first + which : touched[2 * block + which];
}

// The columns of each block side by side, (rows, kSwapWidth). Grid: (rows; blocks), a thread for each column.
ESPARSE_KERNEL swap_panel(const float* scores, const int* order, float* panel, int cols, int block) {
  const SwapBlock of(blockIdx.y, cols, block);
  const std::size_t row = blockIdx.x, column = threadIdx.x;
  const bool is_there = static_cast<int>(column) < of.width;
  panel[(static_cast<std::size_t>(of.index) * gridDim.x + row) * kSwapWidth + column] =
      is_there ? scores[row * cols + order[of.first + column]] : 0.0f;
}

// What some rows add to D of two groups' positions, (blocks, chunks of rows, positions, kSwapWidth). Grid: (chunks; blocks).
ESPARSE_KERNEL swap_measure(const float* panel, const int* slots, const int* touched, const int* active, float* parts,
                            int first, int rows, int cols, int block, int keep, int group) {
  __shared__ float values[2 * kSwapGroup * kPartialRows], thresholds[kPartialRows * 2 * kSwapGroup];
  const SwapBlock of(blockIdx.y, cols, block);
  if (!active[of.index]) return;
  const int positions = 2 * group, padded = (positions + kPositions - 1) / kPositions * kPositions;
  const int begin = blockIdx.x * kPartialRows, count = rows - begin < kPartialRows ? rows - begin : kPartialRows;
  const float* const x = panel + (static_cast<std::size_t>(of.index) * rows + begin) * kSwapWidth;
  for (int i = threadIdx.x; i < positions * kPartialRows; i += blockDim.x) {
    const int m = i / kPartialRows, r = i % kPartialRows;
    const int position = measured_group(m / group, first, touched, of.index) * group + m % group;
    values[i] = r < count && position < of.width ? x[r * kSwapWidth + slots[of.slot(position)]] : 0.0f;
  }
  __syncthreads();
  // The keep-th largest of the others of its group; of equal ones the first counts as larger.
  for (int i = threadIdx.x; i < padded * kPartialRows; i += blockDim.x) {
    const int m = i / kPartialRows, r = i % kPartialRows, others = m / group * group;
    float found = -HUGE_VALF;
    for (int o = others; m < positions && o < others + group; o++) {
      const float value = values[o * kPartialRows + r];
      int larger = 0;
      for (int other = others; other < others + group; other++) {
        if (other == m || other == o) continue;
        const float beside = values[other * kPartialRows + r];
        larger += other < o ? beside >= value : beside > value;
      }
      if (o != m && larger == keep - 1) found = value;
    }
    thresholds[r * padded + m] = found;
  }
  __syncthreads();
  const std::size_t to = (static_cast<std::size_t>(of.index) * gridDim.x + blockIdx.x) * positions;
  for (int p = 0; p < positions; p += kPositions) {
    float sums[kPositions] = {};
    for (int first_row = 0; first_row < count; first_row += kPanelAhead) {
      float ahead[kPanelAhead];
      for (int i = 0; i < kPanelAhead; i++) {
        ahead[i] = first_row + i < count ? x[(first_row + i) * kSwapWidth + threadIdx.x] : 0.0f;
      }
      for (int i = 0; i < kPanelAhead; i++) {
        if (first_row + i >= count) break;
        for (int k = 0; k < kPositions; k++) {
          const float threshold = thresholds[(first_row + i) * padded + p + k];
          sums[k] += ahead[i] > threshold ? ahead[i] : threshold;
        }
      }
    }
    for (int k = 0; k < kPositions; k++) {
      if (p + k < positions) parts[(to + p + k) * kSwapWidth + threadIdx.x] = sums[k];
    }
  }
}

// D of these positions. Grid: (positions; blocks).
ESPARSE_KERNEL swap_sum(const float* parts, const int* touched, const int* active, double* d, int first, int chunks,
                        int cols, int block, int group) {
  const SwapBlock of(blockIdx.y, cols, block);
  const int m = blockIdx.x;
  const int position = measured_group(m / group, first, touched, of.index) * group + m % group;
  if (!active[of.index] || position >= of.width) return;
  const std::size_t positions = gridDim.x;
  const float* from = parts + (static_cast<std::size_t>(of.index) * chunks * positions + m) * kSwapWidth + threadIdx.x;
  double total = 0;
  for (int chunk = 0; chunk < chunks; chunk += kPartsAhead) {
    float ahead[kPartsAhead];
    for (int i = 0; i < kPartsAhead; i++) {
      ahead[i] = chunk + i < chunks ? from[(chunk + i) * positions * kSwapWidth] : 0.0f;
    }
    for (int i = 0; i < kPartsAhead; i++) total += static_cast<double>(ahead[i]);
  }
  d[of.d(position, threadIdx.x)] = total;
}

struct SwapPartner {
  double gain;
  int position;
  // Of equal ones the lower.
  __device__ void offer(double other, int at) {
    if (other > gain || (other == gain && at < position)) gain = other, position = at;
  }
};

// The best partner of each position among those of later groups, where the last swap may have changed it. Grid: (kSwapWidth / warps
// of a block; blocks); a warp has a position.
ESPARSE_KERNEL swap_partners(const double* d, const int* slots, const int* touched, const int* active, double* gains,
                             int* partners, int all, int cols, int block, int group) {
  const SwapBlock of(blockIdx.y, cols, block);
  const int p = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  if (!active[of.index] || p >= of.width) return;
  const int own = slots[of.slot(p)];
  const double stays = d[of.d(p, own)];
  const auto gain = [&](int q) {
    const int other = slots[of.slot(q)];
    return (d[of.d(p, other)] - stays) + (d[of.d(q, own)] - d[of.d(q, other)]);
  };
  SwapPartner best{-HUGE_VAL, kNoPartner};
  const int pair[2] = {all ? 0 : touched[2 * of.index], all ? 0 : touched[2 * of.index + 1]};
  const int mine = p / group, theirs = all ? 0 : partners[of.slot(p)] / group;
  const bool anew = all || mine == pair[0] || mine == pair[1] || theirs == pair[0] || theirs == pair[1];
  if (anew) {
    for (int q = (mine + 1) * group + lane; q < of.width; q += kWarp) best.offer(gain(q), q);
  } else {
    for (int i = lane; i < 2 * group; i += kWarp) {
      const int changed = pair[i / group], q = changed * group + i % group;
      if (changed > mine) best.offer(gain(q), q);
    }
  }
  for (int apart = kWarp / 2; apart > 0; apart /= 2) {
    const double other = __shfl_xor_sync(kAllLanes, best.gain, apart);
    best.offer(other, __shfl_xor_sync(kAllLanes, best.position, apart));
  }
  if (lane > 0) return;
  if (!anew) best.offer(gains[of.slot(p)], partners[of.slot(p)]);
  gains[of.slot(p)] = best.gain;
  partners[of.slot(p)] = best.position;
}

// Takes the best swap of each block, the lower position of equal ones; a block where none gains is done. Grid: blocks.
ESPARSE_KERNEL swap_choose(const double* d, const double* gains, const int* partners, int* slots, int* touched, int* active,
                           int* swaps, double tolerance, int most, int cols, int block, int group) {
  __shared__ double best[kSwapWidth];
  __shared__ int at[kSwapWidth];
  const SwapBlock of(blockIdx.x, cols, block);
  if (!active[of.index]) return;
  const int i = threadIdx.x;
  best[i] = i < of.width ? gains[of.slot(i)] : -HUGE_VAL;
  at[i] = i;
  __syncthreads();
  for (int apart = kSwapWidth / 2; apart > 0; apart /= 2) {
    const bool is_better = i < apart && (best[i + apart] > best[i] || (best[i + apart] == best[i] && at[i + apart] < at[i]));
    if (is_better) best[i] = best[i + apart], at[i] = at[i + apart];
    __syncthreads();
  }
  if (i > 0) return;
  const int p = at[0], q = partners[of.slot(p)];
  const auto own = [&](int position) { return d[of.d(position, slots[of.slot(position)])]; };
  if (swaps[of.index] >= most || q == kNoPartner || !(best[0] > tolerance * (own(p) + own(q)))) {
    active[of.index] = 0;
    return;
  }
  const int slot = slots[of.slot(p)];
  slots[of.slot(p)] = slots[of.slot(q)];
  slots[of.slot(q)] = slot;
  touched[2 * of.index] = p / group;
  touched[2 * of.index + 1] = q / group;
  swaps[of.index]++;
}

}  // namespace esparse::solve

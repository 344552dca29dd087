// Histograms of each channel, as `entropyUpdate` of @esparse/kernels makes them: the same counts in the same bins.
#pragma once
#include "columns.cuh"
#include "entropy_grid.cuh"

namespace esparse {

constexpr int kCountThreads = 1024;
constexpr int kNoMinimum = 0x7fffffff, kNoMaximum = -0x7fffffff - 1;

// Prepares for a tile's ranges. Grid: channels, in blocks of threads.
ESPARSE_KERNEL entropy_begin(int* ranges, int channels) {
  const int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  ranges[c] = kNoMinimum;
  ranges[channels + c] = kNoMaximum;
}

// ranges: (2, channels), ordered bits of the tile's minima and maxima; `zeros` counts values that are exactly zero.
ESPARSE_KERNEL entropy_ranges(const void* tile, int type, int rows, int channels, int* ranges, std::uint32_t* zeros) {
  int min[8], max[8];
  std::uint32_t none[8];
  for (int i = 0; i < 8; i++) min[i] = kNoMinimum, max[i] = kNoMaximum, none[i] = 0;
  const int first = each_row(tile, type, rows, channels, [&](const Eight& values) {
    for (int i = 0; i < 8; i++) {
      const int value = ordered(values.of[i]);
      min[i] = value < min[i] ? value : min[i];
      max[i] = value > max[i] ? value : max[i];
      none[i] += values.of[i] == 0 ? 1 : 0;
    }
  });
  if (first < 0) return;
  for (int i = 0; i < 8; i++) {
    atomicMin(&ranges[first + i], min[i]);
    atomicMax(&ranges[channels + first + i], max[i]);
    if (none[i] > 0) atomicAdd(&zeros[first + i], none[i]);
  }
}

// Adds a channel's bins to those in shared memory, which are empty or of the same exponent, once its own has grown by `steps` to that of
// these. All threads of a block take part.
__device__ inline void add_bins(std::uint32_t* to, const std::uint32_t* from, float min, float max, int steps) {
  if (steps == 0) {
    for (int at = threadIdx.x; at < 2 * kSlots; at += blockDim.x) to[at] += from[at];
    return;
  }
  const float scale = power_of_two(-exponent_of(min, max));
  const int last = order_of(max, scale);
  for (int order = order_of(min, scale) + static_cast<int>(threadIdx.x); order <= last; order += blockDim.x) {
    const int at = 2 * slot_at(order);
    if (from[at] == 0) continue;
    const int target = 2 * slot_at(coarsened(order, steps));
    atomicAdd(&to[target], from[at]);
    atomicAdd(&to[target + 1], from[at + 1]);
  }
}

// The lesser and the greater, -0 below 0, so that the order of arrival leaves no trace.
__device__ inline float lesser(float a, float b) { return ordered(a) < ordered(b) ? a : b; }
__device__ inline float greater(float a, float b) { return ordered(a) > ordered(b) ? a : b; }

// Counts a tile. A block has eight channels, whose bins (of `kSlots` counts and sums of positions, side by side) are in
// shared memory meanwhile: they are read, with wider bins where the tile's ranges ask for them, and written back. `state`
// is (2, channels), minima and maxima of what was counted before; `counted` whether that is anything. `refused` becomes the
// first channel that holds NaN or infinity. Grid: eights of channels.
ESPARSE_KERNEL __launch_bounds__(kCountThreads)
    entropy_count(const void* tile, int type, int rows, int channels, const int* ranges, float* state,
                  std::uint32_t* bins, int counted, int* refused) {
  ESPARSE_DYNAMIC_SHARED(std::uint32_t, counts);  // 8 x kSlots x 2
  __shared__ float least[8], most[8], scales[8];
  __shared__ int steps[8];
  const int first = 8 * blockIdx.x, words = 2 * kSlots;
  if (threadIdx.x < 8) {
    const int i = threadIdx.x, c = first + i;
    float min = from_ordered(ranges[c]), max = from_ordered(ranges[channels + c]);
    const bool finite = fabsf(min) <= 3.402823466e38f && fabsf(max) <= 3.402823466e38f;
    if (!finite) {
      atomicMin(refused, c);
      min = max = 0;
    }
    if (counted) {
      min = lesser(state[c], min);
      max = greater(state[channels + c], max);
    }
    const int e = exponent_of(min, max);
    if (counted) steps[i] = e - exponent_of(state[c], state[channels + c]);
    least[i] = min;
    most[i] = max;
    scales[i] = power_of_two(-e);
  }
  for (int at = threadIdx.x; at < 8 * words; at += blockDim.x) counts[at] = 0;
  __syncthreads();
  if (counted) {
    for (int i = 0; i < 8; i++) {
      const int c = first + i;
      add_bins(counts + i * words, bins + static_cast<std::size_t>(c) * words, state[c], state[channels + c], steps[i]);
    }
  }
  __syncthreads();
  for (int row = threadIdx.x; row < rows; row += blockDim.x) {
    const Eight values = load_eight(tile, type, static_cast<std::size_t>(row) * (channels / 8) + blockIdx.x);
    for (int i = 0; i < 8; i++) {
      const float x = values.of[i];
      std::uint32_t* const at = counts + i * words + 2 * slot_at(order_of(x, scales[i]));
      atomicAdd(&at[0], 1u);
      atomicAdd(&at[1], position_of(x));
    }
  }
  __syncthreads();
  for (int at = threadIdx.x; at < 8 * words; at += blockDim.x) bins[static_cast<std::size_t>(first) * words + at] = counts[at];
  if (threadIdx.x < 8) {
    state[first + threadIdx.x] = least[threadIdx.x];
    state[channels + first + threadIdx.x] = most[threadIdx.x];
  }
}

// Adds histograms that have counted something to others that have. A block has a channel. Grid: channels.
ESPARSE_KERNEL entropy_merge(float* ranges, std::uint32_t* zeros, std::uint32_t* bins, const float* from_ranges,
                             const std::uint32_t* from_zeros, const std::uint32_t* from_bins, int channels) {
  __shared__ std::uint32_t counts[2 * kSlots];
  const int c = blockIdx.x, words = 2 * kSlots;
  const float own_min = ranges[c], own_max = ranges[channels + c];
  const float from_min = from_ranges[c], from_max = from_ranges[channels + c];
  const float min = lesser(own_min, from_min), max = greater(own_max, from_max);
  const int e = exponent_of(min, max);
  std::uint32_t* const own = bins + static_cast<std::size_t>(c) * words;
  for (int at = threadIdx.x; at < words; at += blockDim.x) counts[at] = 0;
  __syncthreads();
  add_bins(counts, own, own_min, own_max, e - exponent_of(own_min, own_max));
  __syncthreads();
  add_bins(counts, from_bins + static_cast<std::size_t>(c) * words, from_min, from_max, e - exponent_of(from_min, from_max));
  __syncthreads();
  for (int at = threadIdx.x; at < words; at += blockDim.x) own[at] = counts[at];
  if (threadIdx.x > 0) return;
  ranges[c] = min;
  ranges[channels + c] = max;
  zeros[c] += from_zeros[c];
}

}  // namespace esparse

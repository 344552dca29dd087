// The sample of a tap's rows, as `rowSample` of @esparse/statistics makes it: the rows that drew the least numbers, of those that drew the
// same those of the least bits.
#pragma once
#include "row_draws.cuh"

namespace esparse {

constexpr int kSampleRows = 64;

// As the host reads it: how many rows there are, what they drew, ascending, and where each lies among their values.
struct HeldRows {
  int count;
  std::uint32_t draws[kSampleRows];
  int places[kSampleRows];
};

// Rows that drew at most so much; of all threads of the block.
__device__ inline int rows_up_to(const std::uint32_t* draws, int rows, std::uint32_t most) {
  __shared__ int total;
  __syncthreads();  // the count before has been read
  if (threadIdx.x == 0) total = 0;
  __syncthreads();
  int own = 0;
  for (int row = threadIdx.x; row < rows; row += blockDim.x) own += draws[row] <= most ? 1 : 0;
  atomicAdd(&total, own);
  __syncthreads();
  return total;
}

// The least number that so many rows drew, or less, as a sample has.
__device__ inline std::uint32_t sample_limit(const std::uint32_t* draws, int rows) {
  if (rows <= kSampleRows) return 0xffffffffu;
  std::uint32_t limit = 0;
  for (int bit = 31; bit >= 0; bit--) {
    const std::uint32_t below = limit + ((1u << bit) - 1);
    if (rows_up_to(draws, rows, below) < kSampleRows) limit += 1u << bit;
  }
  return limit;
}

// Whether a row that is held comes before one of the tile that drew the same, or is equal to it; of all threads of the block.
__device__ inline bool comes_first(const float* held, const void* tile, int type, std::size_t at, int channels) {
  __shared__ int differs;
  __syncthreads();
  if (threadIdx.x == 0) differs = channels;
  __syncthreads();
  for (int c = threadIdx.x; c < channels; c += blockDim.x) {
    if (bits_of(held[c]) == bits_of(load(tile, type, at + c))) continue;
    atomicMin(&differs, c);
    break;
  }
  __syncthreads();
  return differs == channels || bits_of(held[differs]) < bits_of(load(tile, type, at + differs));
}

// Takes the rows of a tile in. `draws` are theirs, `picked` is room for a number of each. One block, so that rows enter one after the
// other: once the sample is full these are few.
ESPARSE_KERNEL row_sample(const void* tile, int type, int rows, int channels, const std::uint32_t* draws, int* picked,
                          HeldRows* sample, float* values) {
  __shared__ HeldRows held;
  __shared__ int count, place;
  if (threadIdx.x == 0) held = *sample, count = 0;
  __syncthreads();
  const std::uint32_t limit = held.count == kSampleRows ? held.draws[kSampleRows - 1] : sample_limit(draws, rows);
  for (int row = threadIdx.x; row < rows; row += blockDim.x) {
    if (draws[row] <= limit) picked[atomicAdd(&count, 1)] = row;
  }
  __syncthreads();
  for (int i = 0; i < count; i++) {
    const int row = picked[i];
    const std::uint32_t draw = draws[row];
    const std::size_t at = static_cast<std::size_t>(row) * channels;
    int p = 0;
    while (p < held.count && held.draws[p] < draw) p++;
    while (p < held.count && held.draws[p] == draw &&
           comes_first(values + static_cast<std::size_t>(held.places[p]) * channels, tile, type, at, channels)) {
      p++;
    }
    if (p == kSampleRows) continue;
    __syncthreads();
    if (threadIdx.x == 0) {
      const bool is_full = held.count == kSampleRows;
      place = is_full ? held.places[kSampleRows - 1] : held.count;
      for (int j = is_full ? kSampleRows - 1 : held.count; j > p; j--) {
        held.draws[j] = held.draws[j - 1];
        held.places[j] = held.places[j - 1];
      }
      held.draws[p] = draw;
      held.places[p] = place;
      held.count += is_full ? 0 : 1;
    }
    __syncthreads();
    for (int c = threadIdx.x; c < channels; c += blockDim.x) {
      values[static_cast<std::size_t>(place) * channels + c] = load(tile, type, at + c);
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) *sample = held;
}

}  // namespace esparse

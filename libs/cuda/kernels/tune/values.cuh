// What the kernels of tuning share beside `block/gpu.cuh`: gradients are added up, a warp takes a row.
#pragma once
#include "../block/gpu.cuh"

namespace esparse::tune {

// Threads of a block, and the rows that it takes.
constexpr int kThreads = 256, kRows = kThreads / kWarp;

// The row of a thread's warp, and the thread's place in it.
struct Own {
  int row, lane;
};
__device__ inline Own own_row() {
  return {static_cast<int>(blockIdx.x * kRows + threadIdx.x / kWarp), static_cast<int>(threadIdx.x % kWarp)};
}

// Writes eight neighbours, or adds them to what is there: of a value that several operations read, the gradient is the sum of theirs.
__device__ inline void give_eight(void* to, int type, std::size_t eight, Eight values, int accumulate) {
  if (accumulate) {
    const Eight before = load_eight(to, type, eight);
    for (int k = 0; k < 8; k++) values.of[k] += before.of[k];
  }
  store_eight(to, type, eight, values);
}

__device__ inline float sum_of(const Eight& values) {
  float sum = 0;
  for (int k = 0; k < 8; k++) sum += values.of[k];
  return sum;
}

}  // namespace esparse::tune

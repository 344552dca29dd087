// Matrices of f32, row-major: what goes into products, and what comes out of them.
#pragma once
#include "../block/gpu.cuh"

namespace esparse::solve {

__device__ inline std::size_t own_index() { return static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; }

// Over the threads of a block of whole warps, which all get it; in an order that is always the same.
__device__ inline double block_sum(double value) {
  __shared__ double of_warp[kWarp];
  for (int apart = kWarp / 2; apart > 0; apart /= 2) value += __shfl_xor_sync(kAllLanes, value, apart);
  __syncthreads();  // the sum before this one has been read
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  double sum = 0;
  for (unsigned warp = 0; warp < blockDim.x / kWarp; warp++) sum += of_warp[warp];
  return sum;
}

// Puts some columns, (rows, width), where they belong in a matrix of `cols`. Grid: (width / threads, rounded up; rows).
ESPARSE_KERNEL solve_place(const float* columns, float* to, int width, int cols, int first) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  const std::size_t row = blockIdx.y;
  if (column < width) to[row * cols + first + column] = columns[row * width + column];
}

// Takes some columns, (rows, width), out of a matrix of `cols`; `from` is its first row that is wanted.
ESPARSE_KERNEL solve_take(const float* from, float* columns, int width, int cols, int first) {
  const int column = blockIdx.x * blockDim.x + threadIdx.x;
  const std::size_t row = blockIdx.y;
  if (column < width) columns[row * width + column] = from[row * cols + first + column];
}

}  // namespace esparse::solve

// A GPU's blocks on one processor, for tests: what CUDA C++ has beyond C++, as far as the plain kernels use it. Blocks run
// one after the other. The threads of a block take turns: each runs until it waits for others (a barrier, a shuffle), so a
// kernel that waits for nothing is a plain loop.
#pragma once
#include <math.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>

#define __global__ inline
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__
#define __restrict__
#define __shared__ static

namespace esparse {

struct Index3 {
  unsigned x, y, z;
};

// Of the thread that runs.
extern Index3 threadIdx, blockIdx, blockDim, gridDim;

// Returns once all threads of the block, or of the warp, are there. Threads that have ended are not waited for.
void wait_for_block();
void wait_for_warp();
// Lets other threads of the block run: of a thread that looks at memory until they have changed it.
void give_way();
// Memory of the block that runs, as much as any may have.
void* dynamic_shared();
// A place for each thread of the block where it leaves a value for others of its warp, until these have waited for each other
// twice: after the first time they look at it, and what is left before the second lies elsewhere.
std::uint64_t* exchange();

inline void __syncthreads() { wait_for_block(); }
inline void __syncwarp(unsigned = 0xffffffffu) { wait_for_warp(); }

template <class T>
T __shfl_xor_sync(unsigned, T value, int apart) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  std::uint64_t* const places = exchange();
  std::memcpy(&places[threadIdx.x], &value, sizeof value);
  wait_for_warp();
  T other;
  std::memcpy(&other, &places[threadIdx.x ^ static_cast<unsigned>(apart)], sizeof other);
  return other;
}

template <class T>
T __ldcg(const T* from) {
  return *from;
}

template <class T, class V>
T atomicAdd(T* to, V value) {
  const T before = *to;
  *to = before + static_cast<T>(value);
  return before;
}
template <class T>
T atomicOr(T* to, T bits) {
  const T before = *to;
  *to |= bits;
  return before;
}
template <class T>
T atomicMin(T* to, T value) {
  const T before = *to;
  *to = std::min(before, value);
  return before;
}
template <class T>
T atomicMax(T* to, T value) {
  const T before = *to;
  *to = std::max(before, value);
  return before;
}

// Runs a kernel's body for every thread of every block.
void run_grid(const Index3& grid, const Index3& block, const std::function<void()>& body);

}  // namespace esparse

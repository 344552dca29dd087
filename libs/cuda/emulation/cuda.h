// Kernels without a GPU: what CUDA C++ adds to the language, as far as the kernels that are tested so use it. A thread of
// the host for each thread of a CTA; the operations of a warp wait for all of its lanes. Given to the compiler before
// anything else (`-include`).
#pragma once
#include <algorithm>
#include <atomic>
#include <barrier>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#define ESPARSE_EMULATED
#define __CUDACC__ 1
#define __CUDA_ARCH__ 900
#define __host__
#define __device__
#define __global__ inline
#define __forceinline__ inline
#define __shared__
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

using std::max;
using std::min;

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  std::uint32_t x, y;
};
struct alignas(16) uint4 {
  std::uint32_t x, y, z, w;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint4 make_uint4(std::uint32_t x, std::uint32_t y, std::uint32_t z, std::uint32_t w) { return {x, y, z, w}; }

inline dim3 gridDim, blockDim, blockIdx;
inline thread_local dim3 threadIdx;

namespace esparse::emulation {

// What the lanes of a warp tell each other.
struct Warp {
  std::barrier<> all{32};
  std::uint32_t words[32][10];
};
inline std::vector<std::unique_ptr<Warp>> warps;
inline std::unique_ptr<std::barrier<>> block;

inline Warp& own_warp() { return *warps[threadIdx.x / 32]; }

// Runs a kernel, one CTA after another.
template <class Kernel>
void run(dim3 grid, int threads, const Kernel& kernel) {
  gridDim = grid;
  blockDim = {static_cast<unsigned>(threads)};
  for (unsigned z = 0; z < grid.z; z++) {
    for (unsigned y = 0; y < grid.y; y++) {
      for (unsigned x = 0; x < grid.x; x++) {
        blockIdx = {x, y, z};
        warps.clear();
        for (int w = 0; w < threads / 32; w++) warps.push_back(std::make_unique<Warp>());
        block = std::make_unique<std::barrier<>>(threads);
        std::vector<std::thread> all;
        for (int t = 0; t < threads; t++) {
          all.emplace_back([&, t] {
            threadIdx = {static_cast<unsigned>(t)};
            kernel();
          });
        }
        for (std::thread& thread : all) thread.join();
      }
    }
  }
}

// The word of lane `from`.
template <class T>
T exchanged(T value, int from) {
  Warp& warp = own_warp();
  static_assert(sizeof(T) == 4);
  std::memcpy(&warp.words[threadIdx.x % 32][0], &value, 4);
  warp.all.arrive_and_wait();
  T out;
  std::memcpy(&out, &warp.words[from][0], 4);
  warp.all.arrive_and_wait();
  return out;
}

}  // namespace esparse::emulation

inline void __syncthreads() { esparse::emulation::block->arrive_and_wait(); }
inline void __syncwarp() { esparse::emulation::own_warp().all.arrive_and_wait(); }
template <class T>
T __shfl_xor_sync(unsigned, T value, int distance) {
  return esparse::emulation::exchanged(value, static_cast<int>(threadIdx.x % 32) ^ distance);
}
template <class T>
T __shfl_sync(unsigned, T value, int from) {
  return esparse::emulation::exchanged(value, from);
}
template <class T>
T __ldcg(const T* from) {
  return *from;
}
template <class T>
T __ldg(const T* from) {
  return *from;
}
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline std::uint32_t atomicAdd(std::uint32_t* to, std::uint32_t more) { return std::atomic_ref(*to).fetch_add(more); }
inline float __uint_as_float(std::uint32_t bits) { return std::bit_cast<float>(bits); }
inline std::uint32_t __float_as_uint(float value) { return std::bit_cast<std::uint32_t>(value); }
inline float __fmul_rn(float a, float b) { return a * b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline int __clzll(long long bits) { return std::countl_zero(static_cast<unsigned long long>(bits)); }
inline std::uint32_t __byte_perm(std::uint32_t a, std::uint32_t b, std::uint32_t selector) {
  const std::uint64_t both = a | static_cast<std::uint64_t>(b) << 32;
  std::uint32_t out = 0;
  for (int i = 0; i < 4; i++) out |= static_cast<std::uint32_t>(both >> (8 * (selector >> (4 * i) & 7)) & 0xff) << (8 * i);
  return out;
}

// cuda_bf16.h
struct __nv_bfloat16 {
  std::uint16_t bits;
};
struct __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}
inline float __bfloat162float(__nv_bfloat16 value) { return __uint_as_float(static_cast<std::uint32_t>(value.bits) << 16); }
inline std::uint16_t __bfloat16_as_ushort(__nv_bfloat16 value) { return value.bits; }
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) { return {__float2bfloat16_rn(x), __float2bfloat16_rn(y)}; }
inline float __low2float(__nv_bfloat162 both) { return __bfloat162float(both.x); }
inline float __high2float(__nv_bfloat162 both) { return __bfloat162float(both.y); }

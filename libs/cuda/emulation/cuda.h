// Kernels that take the tensor cores, without a GPU: what CUDA C++ adds to the language beyond what the plain ones use
// (`threads.h`). Given to the compiler before anything else (`-include`).
#pragma once
#include <bit>
#include <cmath>

#include "threads.h"

#define ESPARSE_EMULATED
#define __CUDACC__ 1
// The kernels are those of Hopper, or, with 800, of what stands before it.
#ifndef __CUDA_ARCH__
#define __CUDA_ARCH__ 900
#endif
#define __align__(n) __attribute__((aligned(n)))
// Static in a function, and, where it is asked for at a launch, declared `extern`: both may be said of this.
#undef __shared__
#define __shared__ thread_local

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
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint4 make_uint4(std::uint32_t x, std::uint32_t y, std::uint32_t z, std::uint32_t w) { return {x, y, z, w}; }

namespace esparse {

namespace emulation {

// What the lanes of a warp tell each other, and what one of them makes of it.
struct WarpWords {
  std::uint32_t a[32][4], b[32][4], metadata[32];
  double sums[16][8];
  std::int32_t integer_sums[16][8];
};
inline WarpWords& own_words() {
  static WarpWords words[32];
  return words[threadIdx.x / 32];
}

}  // namespace emulation

template <class T>
T __shfl_sync(unsigned mask, T value, int from) {
  return __shfl_xor_sync(mask, value, static_cast<int>(threadIdx.x % 32) ^ from);
}
template <class T>
T __ldg(const T* from) {
  return *from;
}
inline void __threadfence() {}

}  // namespace esparse

inline float __uint_as_float(std::uint32_t bits) { return std::bit_cast<float>(bits); }
inline std::uint32_t __float_as_uint(float value) { return std::bit_cast<std::uint32_t>(value); }
#define __expf expf
inline float __fdividef(float a, float b) { return a / b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
inline double __dmul_rn(double a, double b) { return a * b; }
inline int __clzll(long long bits) { return std::countl_zero(static_cast<unsigned long long>(bits)); }
inline std::uint32_t __byte_perm(std::uint32_t a, std::uint32_t b, std::uint32_t selector) {
  const std::uint64_t both = a | static_cast<std::uint64_t>(b) << 32;
  std::uint32_t out = 0;
  for (int i = 0; i < 4; i++) out |= static_cast<std::uint32_t>(both >> (8 * (selector >> (4 * i) & 7)) & 0xff) << (8 * i);
  return out;
}
// The greater of both halves.
inline std::uint32_t __vmaxu2(std::uint32_t a, std::uint32_t b) {
  return std::max(a & 0xffffu, b & 0xffffu) | std::max(a & 0xffff0000u, b & 0xffff0000u);
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

// What kernels of plain arithmetic are written with. They are compiled by nvcc for a GPU, and by any C++ compiler for the
// emulation, where a block's threads take turns on one processor (`emulation/threads.h`). Their names are plain ("C"), their
// arguments plain numbers and addresses: TypeScript launches them by name.
#pragma once
#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#define ESPARSE_KERNEL extern "C" __global__ void
// Shared memory that a launch asks for.
#define ESPARSE_DYNAMIC_SHARED(type, name) extern __shared__ type name[]
#else
#include "../../emulation/threads.h"
#define ESPARSE_KERNEL extern "C" void
#define ESPARSE_DYNAMIC_SHARED(type, name) type* const name = static_cast<type*>(esparse::dynamic_shared())
#endif

namespace esparse {

// Types of elements, as arguments of kernels.
enum Type : int { kF32 = 0, kBf16 = 1 };

__device__ inline float float_of(std::uint32_t bits) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(bits);
#else
  union {
    std::uint32_t bits;
    float value;
  } both{bits};
  return both.value;
#endif
}

__device__ inline std::uint32_t bits_of(float value) {
#ifdef __CUDA_ARCH__
  return __float_as_uint(value);
#else
  union {
    float value;
    std::uint32_t bits;
  } both{value};
  return both.bits;
#endif
}

__device__ inline float widened(std::uint16_t bits) { return float_of(static_cast<std::uint32_t>(bits) << 16); }

// To the nearest, ties to even; not a number stays one.
__device__ inline std::uint16_t rounded(float value) {
#ifdef __CUDA_ARCH__
  return __bfloat16_as_ushort(__float2bfloat16_rn(value));
#else
  if (value != value) return 0x7fff;
  const std::uint32_t bits = bits_of(value);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
#endif
}

__device__ inline float load(const void* from, int type, std::size_t at) {
  return type == kF32 ? static_cast<const float*>(from)[at] : widened(static_cast<const std::uint16_t*>(from)[at]);
}

__device__ inline void store(void* to, int type, std::size_t at, float value) {
  if (type == kF32) static_cast<float*>(to)[at] = value;
  else static_cast<std::uint16_t*>(to)[at] = rounded(value);
}

// Eight neighbours at once: 16 or 32 bytes. Arrays begin at multiples of 256 bytes and end with room for a whole eight.
struct Eight {
  float of[8];
};

struct alignas(16) Words {
  std::uint32_t word[4];
};

__device__ inline Eight load_eight(const void* from, int type, std::size_t eight) {
  Eight out;
  if (type == kF32) {
    for (int half = 0; half < 2; half++) {
      const Words words = static_cast<const Words*>(from)[2 * eight + half];
      for (int i = 0; i < 4; i++) out.of[4 * half + i] = float_of(words.word[i]);
    }
  } else {
    const Words words = static_cast<const Words*>(from)[eight];
    for (int i = 0; i < 8; i++) out.of[i] = widened(static_cast<std::uint16_t>(words.word[i / 2] >> (i % 2 * 16)));
  }
  return out;
}

__device__ inline void store_eight(void* to, int type, std::size_t eight, const Eight& values) {
  if (type == kF32) {
    for (int half = 0; half < 2; half++) {
      Words words;
      for (int i = 0; i < 4; i++) words.word[i] = bits_of(values.of[4 * half + i]);
      static_cast<Words*>(to)[2 * eight + half] = words;
    }
  } else {
    Words words;
    for (int i = 0; i < 4; i++) {
      words.word[i] = rounded(values.of[2 * i]) | static_cast<std::uint32_t>(rounded(values.of[2 * i + 1])) << 16;
    }
    static_cast<Words*>(to)[eight] = words;
  }
}

// Which eight a thread of a grid of one dimension has.
__device__ inline std::size_t own_eight() { return static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; }

constexpr unsigned kWarp = 32, kAllLanes = 0xffffffffu;

// Over the lanes of a warp, which all get it; in an order that is always the same.
__device__ inline float warp_sum(float value) {
  for (int apart = kWarp / 2; apart > 0; apart /= 2) value += __shfl_xor_sync(kAllLanes, value, apart);
  return value;
}
__device__ inline float warp_max(float value) {
  for (int apart = kWarp / 2; apart > 0; apart /= 2) {
    const float other = __shfl_xor_sync(kAllLanes, value, apart);
    value = other > value ? other : value;
  }
  return value;
}

// Over the threads of a block, which is of whole warps, at most 32.
__device__ inline float block_sum(float value) {
  __shared__ float of_warp[kWarp];
  value = warp_sum(value);
  __syncthreads();  // the sum before this one has been read
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = value;
  __syncthreads();
  float sum = 0;
  for (unsigned warp = 0; warp < blockDim.x / kWarp; warp++) sum += of_warp[warp];
  return sum;
}

}  // namespace esparse

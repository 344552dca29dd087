// The few instructions of PTX that the kernels use, by name. What is here a GPU has since sm_80; what came with Hopper
// and stands for something else before it is in `hopper.cuh` and `ampere.cuh`.
#pragma once
#include "layout.h"
#ifdef ESPARSE_EMULATED
#include "../emulation/device.h"
#else
#include <cuda_bf16.h>

namespace esparse {

__device__ __forceinline__ std::uint32_t shared_address(const void* pointer) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(pointer));
}

__device__ __forceinline__ void barrier_init(std::uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

__device__ __forceinline__ void barrier_arrive(std::uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

// What the thread has seen written is seen by whoever sees what it writes next, on the whole GPU; in no order with what others do.
__device__ __forceinline__ void fence_gpu() { asm volatile("fence.acq_rel.gpu;" ::: "memory"); }

// Brings what is there to the L2.
__device__ __forceinline__ void prefetch(const void* pointer) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(pointer));
}

// Keeps the compiler from making code of its own for each way in which these may have come about.
__device__ __forceinline__ void keep(uint4& words) {
  asm volatile("" : "+r"(words.x), "+r"(words.y), "+r"(words.z), "+r"(words.w));
}

// 2 to a power of at most 0, a few units in the last place of f32; 0 of minus infinity.
__device__ __forceinline__ float power_of_2(float x) {
  float out;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
  return out;
}

// 1 / x of what is neither 0 nor next to it, one unit in the last place of f32.
__device__ __forceinline__ float reciprocal(float x) {
  float out;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
  return out;
}

// sums (16 rows x 8 columns, f32) += a (16 x 16) b (16 x 8)
__device__ __forceinline__ void multiply_dense(float (&sums)[4], const Words4& a, std::uint32_t b0, std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b0), "r"(b1));
}

// sums = a b, as `multiply_dense`: zeros that are added to need no registers.
__device__ __forceinline__ void multiply_dense_first(float (&sums)[4], const Words4& a, std::uint32_t b0,
                                                     std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%10,%10,%10};"
      : "=f"(sums[0]), "=f"(sums[1]), "=f"(sums[2]), "=f"(sums[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b0), "r"(b1), "f"(0.0f));
}

// sums (16 rows x 8 columns, f32) += a (16 x 32, 2:4) b (32 x 8); which quads hold the metadata: see sparse_metadata.
template <int kSelector>
__device__ __forceinline__ void multiply_sparse(float (&sums)[4], const Words4& a, const Words4& b,
                                                std::uint32_t metadata) {
  asm volatile(
      "mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
      "{%8,%9,%10,%11}, {%0,%1,%2,%3}, %12, %13;"
      : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b.word[0]), "r"(b.word[1]), "r"(b.word[2]),
        "r"(b.word[3]), "r"(metadata), "n"(kSelector));
}

// The same, sums = a b.
template <int kSelector>
__device__ __forceinline__ void multiply_sparse_first(float (&sums)[4], const Words4& a, const Words4& b,
                                                      std::uint32_t metadata) {
  asm volatile(
      "mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
      "{%8,%9,%10,%11}, {%14,%14,%14,%14}, %12, %13;"
      : "=f"(sums[0]), "=f"(sums[1]), "=f"(sums[2]), "=f"(sums[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b.word[0]), "r"(b.word[1]), "r"(b.word[2]),
        "r"(b.word[3]), "r"(metadata), "n"(kSelector), "f"(0.0f));
}

// Integers: sums = kIntegerBase + a b, exact, with 16 rows and 8 columns. As f32, such a sum has the same bits as 1.5 * 2^23 plus
// the product, which is less than 2^22.
constexpr std::uint32_t kIntegerBase = 0x4b400000u;

// a (16 x 32) b (32 x 8)
__device__ __forceinline__ void multiply_dense_integers(std::uint32_t (&sums)[4], const Words4& a, std::uint32_t b0,
                                                        std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%10,%10,%10};"
      : "=r"(sums[0]), "=r"(sums[1]), "=r"(sums[2]), "=r"(sums[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b0), "r"(b1), "r"(kIntegerBase));
}

// a (16 x 64, 2:4) b (64 x 8)
__device__ __forceinline__ void multiply_sparse_integers(std::uint32_t (&sums)[4], const Words4& a, const Words4& b,
                                                         std::uint32_t metadata) {
  asm volatile(
      "mma.sp::ordered_metadata.sync.aligned.m16n8k64.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
      "{%8,%9,%10,%11}, {%13,%13,%13,%13}, %12, 0;"
      : "=r"(sums[0]), "=r"(sums[1]), "=r"(sums[2]), "=r"(sums[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b.word[0]), "r"(b.word[1]), "r"(b.word[2]),
        "r"(b.word[3]), "r"(metadata), "r"(kIntegerBase));
}

}  // namespace esparse

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
#include "ampere.cuh"
#else
#include "hopper.cuh"
#endif
#endif
#include "timeline.cuh"

namespace esparse {

__device__ __forceinline__ std::uint16_t bf16_bits(float value) {
  return __bfloat16_as_ushort(__float2bfloat16_rn(value));
}

ESPARSE_BOTH float bf16_value(std::uint32_t bits) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(bits << 16);
#else
  union {
    std::uint32_t bits;
    float value;
  } both{bits << 16};
  return both.value;
#endif
}

}  // namespace esparse

// What stands before Hopper (sm_80) for what that brought: a kernel begins when the one before it has ended, and a warp's
// lanes copy to shared memory 16 bytes at a time, without waiting; each arrives at the barrier when what it asked for is
// there. `hopper.cuh` has the same names.
#pragma once

namespace esparse {

__device__ __forceinline__ void wait_for_producers() {}
__device__ __forceinline__ void release_dependents() {}

// A barrier that is new is seen by other threads after `__syncwarp` or `__syncthreads`.
__device__ __forceinline__ void barrier_init_fence() {}

__device__ __forceinline__ void barrier_wait(std::uint32_t barrier, std::uint32_t parity) {
  std::uint32_t done;
  do {
    asm volatile("{ .reg .pred p; mbarrier.test_wait.parity.shared::cta.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }"
                 : "=r"(done)
                 : "r"(barrier), "r"(parity)
                 : "memory");
  } while (done == 0);
}

// All lanes of a warp ask for their parts of a copy, and each arrives once at its barrier.
constexpr bool kLanesCopy = true;
constexpr int kCopyArrivals = kLanes;
__device__ __forceinline__ bool elected() { return threadIdx.x % kLanes == 0; }

// Barriers count arrivals alone.
__device__ __forceinline__ void barrier_expect(std::uint32_t, int) {}

// Copies a lane's part of `bytes` (a multiple of 16) to shared memory.
__device__ __forceinline__ void bulk_copy(std::uint32_t to, const void* from, int bytes, std::uint32_t) {
  for (int at = threadIdx.x % kLanes * 16; at < bytes; at += kLanes * 16) {
    asm volatile("cp.async.cg.shared::cta.global [%0], [%1], 16;" ::"r"(to + at),
                 "l"(static_cast<const std::uint8_t*>(from) + at)
                 : "memory");
  }
}

// The same for what is read once: first to leave the L2.
__device__ __forceinline__ void bulk_copy_once(std::uint32_t to, const void* from, int bytes, std::uint32_t) {
  std::uint64_t policy;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  for (int at = threadIdx.x % kLanes * 16; at < bytes; at += kLanes * 16) {
    asm volatile("cp.async.cg.shared::cta.global.L2::cache_hint [%0], [%1], 16, %2;" ::"r"(to + at),
                 "l"(static_cast<const std::uint8_t*>(from) + at), "l"(policy)
                 : "memory");
  }
}

__device__ __forceinline__ void order_copies() {}

template <int kCount>
__device__ __forceinline__ void registers_fewer() {}
template <int kCount>
__device__ __forceinline__ void registers_more() {}

// Behind all copies that a barrier expects: arrives when the lane's are there.
__device__ __forceinline__ void copies_asked_for(std::uint32_t barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}

// a - b of both halves, bf16: a * 1 - b.
__device__ __forceinline__ std::uint32_t subtract_pairs(std::uint32_t a, std::uint32_t b) {
  std::uint32_t out;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(out) : "r"(a), "r"(0x3f803f80u), "r"(b ^ 0x80008000u));
  return out;
}

}  // namespace esparse

// What `kernels/device.cuh` has of PTX, on the host.
#pragma once
#include "warp.h"

namespace esparse {

inline void wait_for_producers() {}
inline void release_dependents() {}
inline void prefetch(const void*) {}
inline float power_of_2(float x) { return std::exp2(x); }

inline void prefetch_bulk(const void*, int) {}

// Shared memory by 32 bits, as the kernels name it: all of it stands within 4 GB of this.
inline std::uintptr_t shared_anchor() {
  static thread_local char anchor;
  return reinterpret_cast<std::uintptr_t>(&anchor);
}
inline std::uint32_t shared_address(const void* pointer) {
  return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(pointer) - shared_anchor());
}
inline void* shared_pointer(std::uint32_t address) {
  return reinterpret_cast<void*>(shared_anchor() + static_cast<std::intptr_t>(static_cast<std::int32_t>(address)));
}

// A barrier of arrivals and bytes, in the eight bytes that it has on the device.
struct Barrier {
  std::uint8_t arrivals, left;
  std::uint16_t phase;
  std::int32_t bytes;

  void settle() {
    if (left != 0 || bytes != 0) return;
    phase++;
    left = arrivals;
  }
};
static_assert(sizeof(Barrier) == 8);
inline Barrier& barrier_at(std::uint32_t barrier) { return *static_cast<Barrier*>(shared_pointer(barrier)); }

inline void barrier_init(std::uint32_t barrier, int arrivals) {
  barrier_at(barrier) = {static_cast<std::uint8_t>(arrivals), static_cast<std::uint8_t>(arrivals), 0, 0};
}
inline void barrier_init_fence() {}
inline void barrier_expect(std::uint32_t barrier, int bytes) {
  Barrier& of = barrier_at(barrier);
  of.bytes += bytes;
  of.left--;
  of.settle();
}
inline void barrier_arrive(std::uint32_t barrier) { barrier_expect(barrier, 0); }
inline void barrier_wait(std::uint32_t barrier, std::uint32_t parity) {
  while (barrier_at(barrier).phase % 2 == parity) give_way();
}
inline void bulk_copy(std::uint32_t to, const void* from, int bytes, std::uint32_t barrier) {
  std::memcpy(shared_pointer(to), from, bytes);
  barrier_at(barrier).bytes -= bytes;
  barrier_at(barrier).settle();
}
inline void bulk_copy_once(std::uint32_t to, const void* from, int bytes, std::uint32_t barrier) {
  bulk_copy(to, from, bytes, barrier);
}

// A product of a warp: lanes leave what they have, the first one multiplies, and each takes its four sums.
template <class Multiply>
void multiply_by_warp(float (&sums)[4], const Multiply& multiply) {
  emulation::WarpWords& words = emulation::own_words();
  const int lane = threadIdx.x % kLanes;
  __syncwarp();
  if (lane == 0) {
    std::memset(words.sums, 0, sizeof words.sums);
    multiply(words);
  }
  __syncwarp();
  for (int i = 0; i < 4; i++) sums[i] += static_cast<float>(words.sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2]);
}

inline void multiply_dense(float (&sums)[4], const Words4& a, std::uint32_t b0, std::uint32_t b1) {
  emulation::WarpWords& words = emulation::own_words();
  const int lane = threadIdx.x % kLanes;
  std::memcpy(words.a[lane], &a, 16);
  words.b[lane][0] = b0;
  words.b[lane][1] = b1;
  multiply_by_warp(sums, [](emulation::WarpWords& of) {
    std::uint32_t b[kLanes][2];
    for (int l = 0; l < kLanes; l++) std::memcpy(b[l], of.b[l], 8);
    emulation::mma(of.sums, of.a, b);
  });
}

inline void multiply_dense_first(float (&sums)[4], const Words4& a, std::uint32_t b0, std::uint32_t b1) {
  for (float& sum : sums) sum = 0;
  multiply_dense(sums, a, b0, b1);
}

template <int kSelector>
void multiply_sparse(float (&sums)[4], const Words4& a, const Words4& b, std::uint32_t metadata) {
  emulation::WarpWords& words = emulation::own_words();
  const int lane = threadIdx.x % kLanes;
  std::memcpy(words.a[lane], &a, 16);
  std::memcpy(words.b[lane], &b, 16);
  words.metadata[lane] = metadata;
  multiply_by_warp(sums, [](emulation::WarpWords& of) {
    emulation::mma_sparse(of.sums, of.a, of.b, of.metadata, kSelector);
  });
}

// Sums that begin anew.
template <int kSelector>
void multiply_sparse_first(float (&sums)[4], const Words4& a, const Words4& b, std::uint32_t metadata) {
  for (float& sum : sums) sum = 0;
  multiply_sparse<kSelector>(sums, a, b, metadata);
}

template <class Operation>
std::uint32_t of_halves(std::uint32_t a, std::uint32_t b, const Operation& operation) {
  const auto half = [&](int which) -> std::uint32_t {
    const float x = static_cast<float>(emulation::element(a, which)), y = static_cast<float>(emulation::element(b, which));
    return __float2bfloat16_rn(operation(x, y)).bits;
  };
  return half(0) | half(1) << 16;
}
inline std::uint32_t subtract_pairs(std::uint32_t a, std::uint32_t b) {
  return of_halves(a, b, [](float x, float y) { return x - y; });
}
inline std::uint32_t multiply_pairs(std::uint32_t a, std::uint32_t b) {
  return of_halves(a, b, [](float x, float y) { return x * y; });
}

}  // namespace esparse

// What `kernels/device.cuh` has of PTX, on the host, with what is there since Hopper, or before it.
#pragma once
#include "warp.h"

namespace esparse {

inline void wait_for_producers() {}
inline void release_dependents() {}
inline void prefetch(const void*) {}
inline void keep(uint4&) {}
inline float reciprocal(float x) { return 1 / x; }
inline float power_of_2(float x) { return std::exp2(x); }

inline void fence_gpu() {}

inline void prefetch_bulk(const void*, int) {}

// Shared memory by 32 bits, as the kernels name it: all of it stands within 4 GB of this, and what is aligned has addresses that
// are.
inline std::uintptr_t shared_anchor() {
  alignas(1024) static thread_local char anchor;
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
  std::uint32_t arrivals : 12, left : 12, phase : 8;
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
  barrier_at(barrier) = {static_cast<std::uint32_t>(arrivals), static_cast<std::uint32_t>(arrivals), 0, 0};
}
inline void barrier_init_fence() {}
inline void barrier_arrive(std::uint32_t barrier, int bytes = 0) {
  Barrier& of = barrier_at(barrier);
  if (of.left == 0) std::abort();  // more arrivals than the barrier counts
  of.bytes += bytes;
  of.left--;
  of.settle();
}
inline void barrier_wait(std::uint32_t barrier, std::uint32_t parity) {
  while (barrier_at(barrier).phase % 2 == parity) give_way();
}

#if __CUDA_ARCH__ < 900
// A lane's copies are done when it arrives, the last moment that there is.
struct LaneCopy {
  std::uint32_t to;
  const std::uint8_t* from;
};
inline std::vector<LaneCopy>& copies_of_lane() {
  static std::vector<LaneCopy> copies[1024];
  return copies[threadIdx.x];
}
constexpr bool kLanesCopy = true;
constexpr int kCopyArrivals = kLanes;
inline void barrier_expect(std::uint32_t, int) {}
inline void bulk_copy(std::uint32_t to, const void* from, int bytes, std::uint32_t) {
  for (int at = threadIdx.x % kLanes * 16; at < bytes; at += kLanes * 16) {
    copies_of_lane().push_back({to + at, static_cast<const std::uint8_t*>(from) + at});
  }
}
inline void copies_asked_for(std::uint32_t barrier) {
  for (const LaneCopy& copy : copies_of_lane()) std::memcpy(shared_pointer(copy.to), copy.from, 16);
  copies_of_lane().clear();
  barrier_arrive(barrier);
}
#else
constexpr bool kLanesCopy = false;
constexpr int kCopyArrivals = 1;
inline void barrier_expect(std::uint32_t barrier, int bytes) { barrier_arrive(barrier, bytes); }
inline void bulk_copy(std::uint32_t to, const void* from, int bytes, std::uint32_t barrier) {
  std::memcpy(shared_pointer(to), from, bytes);
  barrier_at(barrier).bytes -= bytes;
  barrier_at(barrier).settle();
}
inline void copies_asked_for(std::uint32_t) {}
#endif
inline void order_copies() {}
template <int kCount>
void registers_fewer() {}
template <int kCount>
void registers_more() {}
inline bool elected() { return threadIdx.x % kLanes == 0; }
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

constexpr std::uint32_t kIntegerBase = 0x4b400000u;

template <class Multiply>
void multiply_integers_by_warp(std::uint32_t (&sums)[4], const Words4& a, const Multiply& multiply) {
  emulation::WarpWords& words = emulation::own_words();
  const int lane = threadIdx.x % kLanes;
  std::memcpy(words.a[lane], &a, 16);
  __syncwarp();
  if (lane == 0) {
    std::memset(words.integer_sums, 0, sizeof words.integer_sums);
    multiply(words);
  }
  __syncwarp();
  for (int i = 0; i < 4; i++) sums[i] = kIntegerBase + words.integer_sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
}
inline void multiply_dense_integers(std::uint32_t (&sums)[4], const Words4& a, std::uint32_t b0, std::uint32_t b1) {
  emulation::WarpWords& words = emulation::own_words();
  words.b[threadIdx.x % kLanes][0] = b0;
  words.b[threadIdx.x % kLanes][1] = b1;
  multiply_integers_by_warp(sums, a, [](emulation::WarpWords& of) {
    std::uint32_t b[kLanes][2];
    for (int l = 0; l < kLanes; l++) std::memcpy(b[l], of.b[l], 8);
    emulation::mma_integers(of.integer_sums, of.a, b);
  });
}
inline void multiply_sparse_integers(std::uint32_t (&sums)[4], const Words4& a, const Words4& b, std::uint32_t metadata) {
  emulation::WarpWords& words = emulation::own_words();
  std::memcpy(words.b[threadIdx.x % kLanes], &b, 16);
  words.metadata[threadIdx.x % kLanes] = metadata;
  multiply_integers_by_warp(sums, a, [](emulation::WarpWords& of) {
    emulation::mma_sparse_integers(of.integer_sums, of.a, of.b, of.metadata);
  });
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
